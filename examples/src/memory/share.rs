//! The default size of caches: a share of what models leave of the memory.

/// Megabytes of a cache where the free memory is unknown, and at most.
pub const MOST: u64 = 1024;
/// Megabytes of a cache at least: with less, a prompt and a beam of a small model do not fit.
pub const LEAST: u64 = 64;

/// Megabytes for each of so many caches, of the bytes that are left for all: half of it in equal
/// parts, rounded down to a power of two, from 64 to 1024. Powers of two, so that two runs on one
/// machine have the same size although a little more is free for the second.
#[must_use]
pub fn cache_share(left: u64, caches: usize) -> u64 {
    let part = (left >> 20) / 2 / (caches as u64).max(1);
    part.checked_ilog2().map_or(LEAST, |power| 1 << power).clamp(LEAST, MOST)
}

/// Takes sizes that a run was begun with where the configuration leaves them open. Where there are
/// more or fewer caches, it is another configuration and nothing is taken.
pub fn take_sizes(mine: Vec<&mut Option<u64>>, kept: Vec<&mut Option<u64>>) {
    if mine.len() == kept.len() {
        mine.into_iter().zip(kept).for_each(|(mine, kept)| *mine = mine.or(*kept));
    }
}

#[cfg(test)]
mod tests {
    use super::{cache_share, take_sizes};

    #[test]
    fn open_sizes_are_taken_from_the_run() {
        let (mut mine, mut kept) = ([None, Some(1), None], [Some(7), Some(8), None]);
        take_sizes(mine.iter_mut().collect(), kept.iter_mut().collect());
        assert_eq!(mine, [Some(7), Some(1), None]);
        let mut other = [Some(9)];
        take_sizes(mine.iter_mut().collect(), other.iter_mut().collect());
        assert_eq!(mine, [Some(7), Some(1), None]);
    }

    #[test]
    fn half_of_what_is_left_is_shared_out() {
        let megabytes = |left: u64, caches| cache_share(left << 20, caches);
        assert_eq!(megabytes(2048, 2), 512);
        assert_eq!(megabytes(2047, 2), 256, "rounded down to a power of two");
        assert_eq!(megabytes(3000, 2), 512);
        assert_eq!((megabytes(4096, 2), megabytes(1 << 20, 2)), (1024, 1024), "at most 1024");
        assert_eq!((megabytes(0, 2), megabytes(100, 3)), (64, 64), "at least 64");
        assert_eq!((megabytes(1024, 0), cache_share(u64::MAX, 1)), (512, 1024));
    }
}

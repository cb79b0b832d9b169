//! Compiled by `.ci/run` and timed: the same work on every machine and at every commit, so that the
//! times of CI runs on different machines can be compared. Never changed.

use std::collections::BTreeMap;

fn work<const N: usize>(seed: u64) -> u64 {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut rows: Vec<[u64; N]> = (0..64).map(|_| std::array::from_fn(|_| next())).collect();
    rows.sort_by(|a, b| b.iter().sum::<u64>().cmp(&a.iter().sum::<u64>()).then_with(|| a.cmp(b)));
    rows.dedup();
    let by_first: BTreeMap<[u64; N], String> = rows.iter().map(|row| (*row, format!("{row:?}"))).collect();
    by_first.range([0; N]..).map(|(row, text)| row[0] ^ text.len() as u64).fold(0, u64::wrapping_add)
}

macro_rules! all {
    ($($size:literal)*) => { [$(work::<$size>),*] };
}

fn main() {
    let sizes = all!(1 2 3 4 5 6 7 8);
    println!("{}", sizes.iter().map(|work| work(7)).fold(0, u64::wrapping_add));
}

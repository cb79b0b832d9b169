//! Rows that say what they are of.

use std::hash::BuildHasher;

use saffron_kvtrie::evict::EvictionPolicy;
use saffron_kvtrie::store::{HostRows, KvStore};
use saffron_kvtrie::{KvTrie, Reservation, Seq, StoreError};

pub(crate) const LAYERS: usize = 2;
pub(crate) const HEADS: usize = 1;
pub(crate) const WIDTH: usize = 2;

/// The hash of every prefix of a path, shortest first.
fn hashes(path: &[u32], layer: usize) -> impl Iterator<Item = u64> + '_ {
    path.iter().scan(layer as u64 + 1, |above, token| {
        *above = (*above ^ u64::from(*token)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) ^ 0x5bd1;
        Some(*above)
    })
}

/// A hash as numbers that a float holds exactly.
fn numbers(hash: u64) -> [f32; WIDTH] {
    [(hash >> 40) as f32, (hash >> 16 & 0xff_ffff) as f32]
}

fn append(rows: &mut HostRows, hash: u64) {
    rows.keys.extend(numbers(hash));
    rows.values.extend(numbers(hash.wrapping_mul(0xd6e8_feb8_6659_fd93)));
}

/// The rows of a path.
pub(crate) fn rows_of(path: &[u32], layer: usize) -> HostRows {
    let mut rows = HostRows::default();
    hashes(path, layer).for_each(|hash| append(&mut rows, hash));
    rows
}

/// The path of every row of a reservation.
fn row_paths<'a>(reservation: &Reservation, contexts: &'a [Vec<u32>]) -> Vec<&'a [u32]> {
    let mut paths: Vec<&[u32]> = vec![&[]; reservation.tokens().len()];
    for (output, context) in reservation.outputs().zip(contexts) {
        let segment = reservation.segments().iter().find(|segment| segment.rows.contains(&output)).unwrap();
        // A context may end amid the rows of a longer one.
        for row in segment.rows.start..=output {
            paths[row] = &context[..=reservation.positions()[row] as usize];
            assert_eq!(paths[row].last(), Some(&reservation.tokens()[row]));
        }
        assert_eq!(paths[output].len(), context.len(), "a context's output is its last row");
    }
    paths
}

/// Writes a reservation's rows and checks that everything each chain attends to is its own prefix.
pub(crate) fn forward<S: KvStore<Rows = HostRows>>(
    reservation: &Reservation,
    store: &mut S,
    contexts: &[Vec<u32>],
) -> Result<(), StoreError> {
    let paths = row_paths(reservation, contexts);
    for layer in 0..LAYERS {
        let mut rows = HostRows::default();
        for path in &paths {
            append(&mut rows, hashes(path, layer).last().unwrap());
        }
        store.write(layer, &reservation.writes(), &rows)?;
        for segment in reservation.segments() {
            let before = &paths[segment.rows.start][..segment.prefix_len()];
            assert_eq!(store.read(layer, &segment.prefix)?, rows_of(before, layer), "the prefix of {before:?}");
        }
    }
    Ok(())
}

/// Checks a handle's tokens and every row of it.
pub(crate) fn check<S: KvStore<Rows = HostRows>, E: EvictionPolicy, H: BuildHasher + Default>(
    cache: &KvTrie<S, E, H>,
    seq: &Seq,
    expected: &[u32],
) {
    assert_eq!(cache.trie().tokens(seq).unwrap(), expected);
    assert_eq!(cache.trie().length(seq).unwrap(), expected.len());
    for layer in 0..LAYERS {
        assert_eq!(cache.rows(seq, layer).unwrap(), rows_of(expected, layer), "layer {layer} of {expected:?}");
    }
}

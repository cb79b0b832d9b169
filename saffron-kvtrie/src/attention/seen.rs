//! What rows are to see, token by token, for tests of plans; and what groups let them see.

use proptest::prelude::*;

use super::path::length;
use super::plan::{GroupPlan, KeySource, Sizes, groups};
use super::{Buckets, Frontier, PlanKind, PlanOptions};
use crate::index::CacheError;
use crate::reserve::{Reservation, Reuse, Want};
use crate::trie::Trie;

/// Stores contexts one by one and reserves others. Returns the slots on the path of every row as
/// well.
pub(super) fn reserved(stored: &[Vec<u32>], contexts: &[Vec<u32>]) -> Result<(Reservation, Vec<Vec<u32>>), CacheError> {
    let mut trie = Trie::new(10_000);
    for context in stored {
        let reservation = trie.reserve(&[Want::keep(context)], Reuse::Cached)?;
        trie.commit(reservation)?;
    }
    let wants: Vec<Want<'_>> = contexts.iter().map(|tokens| Want::keep(tokens)).collect();
    let reservation = trie.reserve(&wants, Reuse::Cached)?;
    let mut paths = vec![Vec::new(); reservation.tokens().len()];
    for segment in reservation.segments() {
        let mut path: Vec<u32> = segment.prefix.iter().flat_map(|extent| extent.slots()).collect();
        for row in segment.rows.clone() {
            path.push(reservation.slots()[row]);
            paths[row].clone_from(&path);
        }
    }
    Ok((reservation, paths))
}

/// The slots that the last of a path sees, sorted.
pub(super) fn expected(path: &[u32], window: Option<usize>) -> Vec<u32> {
    let mut seen = path[path.len().saturating_sub(window.unwrap_or(usize::MAX))..].to_vec();
    seen.sort_unstable();
    seen
}

/// Contexts that share the beginning of one sequence, each for a length of its own.
pub(super) fn contexts() -> impl Strategy<Value = Vec<Vec<u32>>> {
    let context = (0..90usize, prop::collection::vec(0..3u32, 1..90));
    let whole = |(shared, tail): (usize, Vec<u32>)| (0..shared as u32).map(|token| token % 5).chain(tail).collect();
    prop::collection::vec(context.prop_map(whole), 1..5).prop_map(|mut contexts: Vec<Vec<u32>>| {
        contexts.sort();
        contexts.dedup();
        contexts
    })
}

/// The slots that the row at a place of a group sees, sorted.
fn seen(group: &GroupPlan, place: usize, slots: &[u32], buckets: Buckets) -> Vec<u32> {
    let chain = place / group.len;
    let trunk = group.trunk_slots(buckets);
    let suffix: Vec<u32> = match &group.suffix {
        KeySource::NewRows => group.rows.iter().map(|row| slots.get(*row).copied().unwrap_or(0)).collect(),
        KeySource::Slots(slots) => slots[chain * group.suffix_len..][..group.suffix_len].to_vec(),
        KeySource::View(extent) => extent.slots().collect(),
    };
    let masks = [(group.hidden_trunk(1, trunk.len()), trunk), (group.hidden_suffix(1), suffix)];
    let mut seen: Vec<u32> = Vec::new();
    for (mask, keys) in masks {
        // A mask for all rows is broadcast.
        let hidden = mask.map(|mask| mask.hidden).unwrap_or_default();
        let row = if hidden.len() > keys.len() { place } else { 0 };
        let hidden = |key: usize| hidden.get(row * keys.len() + key).is_some_and(|hidden| *hidden);
        seen.extend((0..keys.len()).filter(|key| !hidden(*key)).map(|key| keys[key]));
    }
    seen.sort_unstable();
    seen
}

#[test]
fn a_decode_frontier_reads_its_window() -> Result<(), CacheError> {
    let prompt: Vec<u32> = (0..4000).collect();
    let with = |tail: &[u32]| [&prompt[..], tail].concat();
    let parents: Vec<Vec<u32>> = (0..16).map(|token| with(&[token, token])).collect();
    let next: Vec<Vec<u32>> = (0..16).map(|token| with(&[token, token, 1])).collect();
    let (reservation, _) = reserved(&parents, &next)?;
    for (kind, trunk) in [(PlanKind::Cascade, 509), (PlanKind::Gather, 0)] {
        let options = PlanOptions { window: Some(512), ..PlanOptions::new(kind) };
        let groups = groups(&reservation, kind, &Sizes::new(&reservation, options, 10_000));
        assert_eq!(groups.len(), 1);
        assert_eq!((length(&groups[0].trunk), groups[0].suffix_len), (trunk, 512 - trunk));
        assert_eq!((groups[0].hidden_trunk(1, trunk), groups[0].hidden_suffix(1)), (None, None));
    }
    let seen = Frontier::new(&reservation).within(Some(512));
    assert_eq!((seen.trunk, seen.suffix), (509, 3), "the cost model counts what the cascade reads");
    Ok(())
}

#[test]
fn pieces_of_a_long_chain_read_one_window_before_them() -> Result<(), CacheError> {
    let (reservation, _) = reserved(&[], &[(0..1000).collect()])?;
    let options = PlanOptions { window: Some(100), ..PlanOptions::new(PlanKind::Cascade) };
    let groups = groups(&reservation, options.kind, &Sizes::new(&reservation, options, 10_000));
    let trunks: Vec<usize> = groups.iter().map(|group| length(&group.trunk)).collect();
    assert_eq!(trunks[..3], [0, 64, 99]);
    assert!(trunks[2..].iter().all(|trunk| *trunk == 99));
    let seen = Frontier::new(&reservation).within(Some(100));
    assert_eq!((seen.trunk, seen.suffix), (0, 163));
    Ok(())
}

proptest! {
    #[test]
    fn rows_see_the_last_slots_of_their_paths(
        stored in contexts(),
        contexts in contexts(),
        window in prop::sample::select(vec![None, Some(1), Some(2), Some(7), Some(30)]),
        kind in prop::sample::select(vec![PlanKind::Cascade, PlanKind::Gather, PlanKind::Flat]),
        buckets in prop::sample::select(vec![Buckets::Exact, Buckets::Powers]),
    ) {
        let (reservation, paths) = reserved(&stored, &contexts)?;
        let options = PlanOptions { buckets, window, ..PlanOptions::new(kind) };
        let mut found = 0;
        for group in groups(&reservation, kind, &Sizes::new(&reservation, options, 10_000)) {
            for (number, chain) in group.chains.iter().enumerate() {
                for place in number * group.len..number * group.len + chain.real {
                    let seen = seen(&group, place, reservation.slots(), buckets);
                    prop_assert_eq!(seen, expected(&paths[group.rows[place]], window));
                    found += 1;
                }
            }
        }
        prop_assert_eq!(found, paths.len());
    }
}

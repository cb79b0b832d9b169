//! Which ids are asked about which contexts in one request: an engine takes one list of ids a
//! request, and a limited number of them.

use std::collections::BTreeSet;

use saffron_core::Token;

/// Contexts that are asked about the same ids in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Sorted, without duplicates.
    pub(super) ids: Vec<Token>,
    /// Places of the contexts.
    pub(super) places: Vec<usize>,
}

/// Parts lists of ids into groups of at most `limit` ids. A context whose list is longer is in
/// several groups; contexts join the first group that has room for their ids.
pub(super) fn groups(lists: &[BTreeSet<Token>], limit: usize) -> Vec<Group> {
    let mut groups: Vec<(BTreeSet<Token>, Vec<usize>)> = Vec::new();
    for (place, list) in lists.iter().enumerate() {
        let ids: Vec<Token> = list.iter().copied().collect();
        for part in ids.chunks(limit.max(1)) {
            let has_room = |(ids, _): &&mut (BTreeSet<Token>, Vec<usize>)| {
                ids.len() + part.iter().filter(|id| !ids.contains(id)).count() <= limit
            };
            match groups.iter_mut().find(has_room) {
                Some((ids, places)) => {
                    ids.extend(part);
                    if places.last() != Some(&place) {
                        places.push(place);
                    }
                }
                None => groups.push((part.iter().copied().collect(), vec![place])),
            }
        }
    }
    groups.into_iter().map(|(ids, places)| Group { ids: ids.into_iter().collect(), places }).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lists(lists: &[&[Token]]) -> Vec<BTreeSet<Token>> {
        lists.iter().map(|list| list.iter().copied().collect()).collect()
    }

    #[test]
    fn contexts_share_a_request_while_their_ids_fit() {
        let found = groups(&lists(&[&[5, 1, 2], &[2, 3], &[9, 8, 7, 6, 4, 10], &[1]]), 4);
        let group = |ids: &[Token], places: &[usize]| Group { ids: ids.to_vec(), places: places.to_vec() };
        assert_eq!(found, [group(&[1, 2, 3, 5], &[0, 1, 3]), group(&[4, 6, 7, 8], &[2]), group(&[9, 10], &[2])]);
        assert!(groups(&lists(&[&[]]), 4).is_empty());
    }

    proptest! {
        #[test]
        fn every_id_of_every_context_is_asked_for(
            lists in prop::collection::vec(prop::collection::btree_set(0u32..60, 0..40), 0..12),
            limit in 1usize..20,
        ) {
            let groups = groups(&lists, limit);
            prop_assert!(groups.iter().all(|group| group.ids.len() <= limit && !group.ids.is_empty()));
            for (place, list) in lists.iter().enumerate() {
                let asked: BTreeSet<Token> =
                    groups.iter().filter(|group| group.places.contains(&place)).flat_map(|group| group.ids.clone()).collect();
                prop_assert!(asked.is_superset(list));
            }
        }
    }
}

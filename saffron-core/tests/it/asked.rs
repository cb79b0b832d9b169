//! What a search would have computed with a cache of its own.

use std::collections::BTreeSet;

use proptest::prelude::*;
use saffron_core::{AskedContexts, Run, Token};

#[test]
fn the_last_position_is_computed_again_whenever_it_is_asked_for() {
    let (mut asked, search) = (AskedContexts::default(), Run::new());
    assert_eq!(asked.ask(&search, &[7, 8, 9], 0), 0..3);
    for _ in 0..3 {
        assert_eq!(asked.ask(&search, &[7, 8, 9], 0), 2..3);
    }
    assert_eq!(asked.ask(&search, &[7, 8], 0), 1..2, "a prefix was known, its output is not kept");
    assert_eq!(asked.ask(&search, &[7], 0), 0..1);
}

#[test]
fn scratch_is_computed_each_time_and_never_known() {
    let (mut asked, search) = (AskedContexts::default(), Run::new());
    assert_eq!(asked.ask(&search, &[1, 2, 8, 9], 2), 0..4);
    assert_eq!(asked.ask(&search, &[1, 2, 8, 9], 2), 2..4);
    assert_eq!(asked.ask(&search, &[1, 2, 8, 9], 0), 2..4, "what was scratch is new where it is kept");
    assert_eq!(asked.ask(&search, &[1, 2, 8, 9], 9), 0..4, "all of it is scratch");
}

#[test]
fn searches_do_not_pay_for_each_other() {
    let (mut asked, one, other) = (AskedContexts::default(), Run::new(), Run::new());
    assert_eq!(asked.ask(&one, &[1, 2], 0), 0..2);
    assert_eq!(asked.ask(&other, &[1, 2], 0), 0..2);
    drop(other);
    assert_eq!(asked.ask(&Run::new(), &[1, 2], 0), 0..2);
    assert_eq!(asked.ask(&one, &[1, 2, 3], 0), 2..3, "the living are remembered when the gone are forgotten");
}

#[test]
fn an_empty_context_costs_nothing() {
    assert_eq!(AskedContexts::default().ask(&Run::new(), &[], 0), 0..0);
}

proptest! {
    /// Against the definition: a cache that holds the prefixes of all contexts so far, and no
    /// outputs.
    #[test]
    fn attributed_positions_are_those_that_an_empty_cache_would_have_computed(
        contexts in prop::collection::vec((prop::collection::vec(0u32..3, 1..9), 0usize..4, 0usize..2), 0..30),
    ) {
        let (mut asked, searches) = (AskedContexts::default(), [Run::new(), Run::new()]);
        let mut caches: [BTreeSet<Vec<Token>>; 2] = Default::default();
        for (context, scratch, search) in contexts {
            let (length, kept) = (context.len(), context.len().saturating_sub(scratch));
            let cache = &mut caches[search];
            let cached = (1..=kept).take_while(|end| cache.contains(&context[..*end])).count();
            cache.extend((1..=kept).map(|end| context[..end].to_vec()));
            let computed = asked.ask(&searches[search], &context, scratch);
            prop_assert_eq!(computed, cached.min(length - 1)..length);
        }
    }
}

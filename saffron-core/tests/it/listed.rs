//! Candidates from a list of the most probable tokens, against those from the whole distribution.

use proptest::prelude::*;
use saffron_core::{CandidateFilter, Candidates, Coverage, ModelError, Token};

/// All tokens with their log-probabilities at temperature 1, most probable first.
fn everything(logits: &[f32]) -> Vec<(Token, f32)> {
    let all = CandidateFilter::default().apply(logits, &[], 0).unwrap();
    all.ranked.iter().map(|candidate| (candidate.token, candidate.logprob)).collect()
}

fn tokens(candidates: &Candidates) -> Vec<Token> {
    candidates.tokens().collect()
}

/// Logits that lie far enough apart for float noise not to change their order.
fn logits() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::btree_set(-576i16..576, 8..30)
        .prop_map(|steps| steps.into_iter().map(|step| f32::from(step) / 64.0).collect::<Vec<_>>())
        .prop_shuffle()
}

fn filters() -> impl Strategy<Value = CandidateFilter> {
    let cuts = (0.05f32..=1.0, prop::option::of(1usize..9), prop_oneof![Just(0.0f32), 0.001f32..0.3]);
    let bans = (prop::collection::vec(0u32..30, 0..4), 0usize..3, 0usize..3);
    (cuts, bans).prop_map(|((top_p, top_k, min_p), (banned, min_new_tokens, no_repeat_ngram))| CandidateFilter {
        top_p,
        top_k,
        min_p,
        banned,
        end_tokens: vec![3],
        min_new_tokens,
        no_repeat_ngram,
        ..CandidateFilter::default()
    })
}

proptest! {
    #[test]
    fn a_whole_list_gives_what_the_logits_give(
        logits in logits(),
        filter in filters(),
        temperature in prop_oneof![Just(1.0f32), 0.3f32..3.0, Just(0.001f32), Just(0.01f32)],
    ) {
        let filter = CandidateFilter { temperature, ..filter };
        let whole = filter.apply(&logits, &[4, 6, 4], 0).unwrap();
        let listed = filter.apply_listed(&everything(&logits), logits.len(), &[4, 6, 4], 0).unwrap();
        // A token at the nucleus' edge may fall on either side by float noise; everything before it may not.
        let same = whole.len().min(listed.len());
        prop_assert!(whole.len().abs_diff(listed.len()) <= 1);
        prop_assert_eq!(&tokens(&whole)[..same], &tokens(&listed)[..same]);
        // A temperature divides the noise of the listed log-probabilities.
        let noise = 1e-4 + 2e-6 / temperature;
        for (one, other) in whole.ranked.iter().zip(&listed.ranked) {
            prop_assert!((one.logprob - other.logprob).abs() < noise, "{one:?} {other:?}");
        }
        prop_assert_eq!(listed.coverage, Coverage::Full);
    }

    #[test]
    fn a_short_list_gives_the_beginning_and_says_so(
        logits in prop::collection::vec(-9f32..9.0, 20..60),
        top_p in 0.05f32..=1.0,
        top_k in prop::option::of(1usize..9),
        min_p in prop_oneof![Just(0.0f32), 0.001f32..0.3],
        length in 1usize..16,
    ) {
        let filter = CandidateFilter { top_p, top_k, min_p, ..CandidateFilter::default() };
        let whole = tokens(&filter.apply(&logits, &[], 0).unwrap());
        let listed = filter.apply_listed(&everything(&logits)[..length], logits.len(), &[], 0).unwrap();
        let found = tokens(&listed);
        let common = whole.len().min(found.len());
        prop_assert_eq!(&whole[..common], &found[..common]);
        match listed.coverage {
            Coverage::Full => prop_assert!(whole.len().abs_diff(found.len()) <= 1),
            Coverage::Truncated => prop_assert!(found.len() == length && whole.len() >= length),
        }
        let mass: f64 = listed.ranked.iter().map(|candidate| f64::from(candidate.logprob).exp()).sum();
        prop_assert!((mass - f64::from(listed.mass)).abs() < 1e-4);
    }
}

#[test]
fn what_is_banned_gives_its_mass_to_the_others() {
    let listed = [(5, 0.5f32.ln()), (2, 0.2f32.ln()), (9, 0.1f32.ln())];
    let filter = CandidateFilter { banned: vec![5], top_p: 0.5, ..CandidateFilter::default() };
    let candidates = filter.apply_listed(&listed, 50, &[], 0).unwrap();
    assert_eq!(tokens(&candidates), [2, 9]);
    assert!((candidates.ranked[0].logprob - 0.4f32.ln()).abs() < 1e-6, "0.2 of the half that is left");
    assert!((candidates.mass - 0.6).abs() < 1e-6);
    let all = CandidateFilter { banned: vec![5, 2, 9], ..CandidateFilter::default() };
    assert!(matches!(all.apply_listed(&listed, 50, &[], 4), Err(ModelError::NoToken { session: 4, size: 50 })));
}

#[test]
fn a_temperature_makes_of_a_short_list_an_estimate() {
    let listed = [(1, 0.6f32.ln()), (2, 0.2f32.ln())];
    let filter = CandidateFilter { temperature: 0.5, top_p: 0.5, ..CandidateFilter::default() };
    let candidates = filter.apply_listed(&listed, 22, &[], 0).unwrap();
    // Squares: 0.36, 0.04, and twenty times 0.01 squared.
    assert!((candidates.ranked[0].logprob.exp() - 0.36 / 0.402).abs() < 1e-5);
    assert_eq!((candidates.len(), candidates.coverage), (1, Coverage::Truncated));
}

#[test]
fn lists_that_cannot_be_are_refused() {
    let filter = CandidateFilter::default();
    let refused = |listed: &[(Token, f32)]| filter.apply_listed(listed, 3, &[], 7).unwrap_err();
    assert!(matches!(refused(&[(3, -1.0)]), ModelError::TokenOutOfRange { token: 3, size: 3 }));
    let not_a_number = |value| matches!(refused(&[(1, value)]), ModelError::NotANumber { session: 7, token: 1, .. });
    assert!(not_a_number(f32::NAN) && not_a_number(f32::INFINITY));
    assert!(matches!(refused(&[]), ModelError::NoToken { .. }));
    assert!(matches!(refused(&[(0, -1.0); 4]), ModelError::BatchMismatch { expected: 3, found: 4, .. }));
    let wrong = CandidateFilter { top_p: 0.0, ..CandidateFilter::default() };
    assert!(matches!(wrong.apply_listed(&[(0, -1.0)], 3, &[], 0), Err(ModelError::Config(_))));
}

//! The candidate filter against the definition, spelled out.

use proptest::prelude::*;
use saffron_core::{Candidate, CandidateFilter, ConfigError, ModelError, Ties};

/// Whether a response with `token` at its end has an n-gram twice, the last of them.
fn repeats(response: &[u32], token: u32, size: usize) -> bool {
    let longer = [response, &[token]].concat();
    let ngrams: Vec<&[u32]> = if size == 0 { Vec::new() } else { longer.windows(size).collect() };
    ngrams.split_last().is_some_and(|(last, before)| before.contains(last))
}

fn is_banned(filter: &CandidateFilter, response: &[u32], token: u32) -> bool {
    filter.banned.contains(&token)
        || (response.len() < filter.min_new_tokens && filter.end_tokens.contains(&token))
        || repeats(response, token, filter.no_repeat_ngram)
}

/// Softmax over what is allowed, sorted, cut: by the definitions, in float64, over the whole vocabulary.
fn brute_force(filter: &CandidateFilter, logits: &[f32], response: &[u32]) -> Vec<(u32, f64)> {
    let banned = |token: u32| is_banned(filter, response, token);
    let allowed = |token: u32, logit: f32| !banned(token) && logit > f32::NEG_INFINITY;
    let scaled = (0u32..).zip(logits).filter(|(token, logit)| allowed(*token, **logit));
    let mut ranked: Vec<(u32, f64)> =
        scaled.map(|(token, logit)| (token, f64::from(logit / filter.temperature))).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let max = ranked[0].1;
    let total: f64 = ranked.iter().map(|(_, logit)| (logit - max).exp()).sum();
    ranked.iter_mut().for_each(|(_, logit)| *logit = (*logit - max).exp() / total);
    ranked.truncate(filter.top_k.unwrap_or(usize::MAX));
    let kept = ranked.iter().enumerate().filter(|(rank, (_, p))| {
        let stronger: f64 = match filter.ties {
            Ties::Together => ranked.iter().filter(|(_, other)| other > p).map(|(_, p)| p).sum(),
            Ties::ByRank => ranked[..*rank].iter().map(|(_, p)| p).sum(),
        };
        let likely = *p >= f64::from(filter.min_p) * ranked[0].1;
        likely && (filter.top_p >= 1.0 || stronger < f64::from(filter.top_p))
    });
    kept.map(|(_, candidate)| *candidate).collect()
}

fn logit() -> impl Strategy<Value = f32> {
    // Coarse values, so that ties are common.
    prop_oneof![8 => (-12i32..12).prop_map(|x| x as f32 / 2.0), 1 => Just(f32::NEG_INFINITY), 1 => -60f32..60.0]
}

proptest! {
    #[test]
    fn candidates_are_those_of_the_definition(
        logits in prop::collection::vec(logit(), 2..60),
        top_p in 0.01f32..=1.0,
        top_k in prop::option::of(1usize..20),
        together in any::<bool>(),
        temperature in prop_oneof![Just(1.0f32), 0.2f32..3.0],
        response in prop::collection::vec(0u32..8, 0..9),
        no_repeat_ngram in 0usize..4,
        min_p in prop_oneof![Just(0.0f32), (-16f32..-0.5).prop_map(f32::exp)],
        banned in prop::collection::vec(0u32..60, 0..4),
    ) {
        let ties = if together { Ties::Together } else { Ties::ByRank };
        let filter = CandidateFilter {
            temperature, top_p, top_k, min_p, ties, banned, end_tokens: vec![0, 1], min_new_tokens: 2, no_repeat_ngram,
        };
        let possible = (0u32..).zip(&logits).any(|(token, logit)| {
            !is_banned(&filter, &response, token) && *logit > f32::NEG_INFINITY
        });
        let found = filter.apply(&logits, &response, 0);
        if !possible {
            let none = matches!(found, Err(ModelError::NoToken { .. }));
            prop_assert!(none);
            return Ok(());
        }
        let (found, expected) = (found.unwrap(), brute_force(&filter, &logits, &response));
        let probability = |candidate: &Candidate| f64::from(candidate.logprob).exp();
        for (found, expected) in found.ranked.iter().zip(&expected) {
            prop_assert!((probability(found) - expected.1).abs() < 1e-5);
        }
        // At the very edge of the nucleus, and at min-p, float noise may decide.
        if found.len() != expected.len() {
            let same = found.len().min(expected.len());
            let edge: f64 = expected[..same].iter().map(|(_, p)| p).sum();
            let at_nucleus = (edge - f64::from(top_p)).abs() < 1e-5;
            let next = expected.get(same).map_or_else(|| probability(&found.ranked[same]), |(_, p)| *p);
            let at_min_p = (next / expected[0].1 - f64::from(min_p)).abs() < 1e-5;
            prop_assert!(at_nucleus || at_min_p, "{} and {} candidates", found.len(), expected.len());
        } else {
            let tokens: Vec<u32> = found.tokens().collect();
            prop_assert_eq!(tokens, expected.iter().map(|(token, _)| *token).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_most_probable_token_always_stays(logits in prop::collection::vec(-30f32..30.0, 1..40), top_p in 0.001f32..1.0) {
        let filter = CandidateFilter { top_p, ..CandidateFilter::default() };
        let best = logits.iter().copied().fold(f32::MIN, f32::max);
        let found = filter.apply(&logits, &[], 0).unwrap();
        prop_assert_eq!(logits[found.ranked[0].token as usize], best);
    }
}

#[test]
fn tied_tokens_stay_together_or_are_cut_by_rank() {
    let logits = [0.0; 4];
    let keep = |ties| {
        let filter = CandidateFilter { top_p: 0.5, ties, ..CandidateFilter::default() };
        filter.apply(&logits, &[], 0).unwrap().tokens().collect::<Vec<_>>()
    };
    assert_eq!(keep(Ties::Together), [0, 1, 2, 3], "nothing is strictly more probable");
    assert_eq!(keep(Ties::ByRank), [0, 1]);
}

#[test]
fn bans_come_before_the_softmax() {
    let filter = CandidateFilter { end_tokens: vec![0], min_new_tokens: 1, ..CandidateFilter::default() };
    let young = filter.apply(&[5.0, 1.0, 1.0], &[], 0).unwrap();
    assert!(young.ranked.iter().all(|candidate| (candidate.logprob - 0.5f32.ln()).abs() < 1e-6));
    assert_eq!(filter.apply(&[5.0, 1.0, 1.0], &[1], 0).unwrap().ranked[0].token, 0);
}

#[test]
fn nothing_is_said_twice_where_it_may_not_be() {
    let follow = |no_repeat_ngram, response: &[u32]| {
        let filter = CandidateFilter { no_repeat_ngram, ..CandidateFilter::default() };
        filter.apply(&[3.0, 2.0, 1.0, 0.0], response, 0).unwrap().tokens().collect::<Vec<_>>()
    };
    assert_eq!(follow(0, &[0, 0, 0]), [0, 1, 2, 3]);
    assert_eq!(follow(1, &[0, 2]), [1, 3]);
    assert_eq!(follow(2, &[1, 0, 3, 1]), [1, 2, 3], "1 0 has been said");
    assert_eq!(follow(3, &[1, 0, 3, 1, 0]), [0, 1, 2], "1 0 3 has been said");
    assert_eq!(follow(3, &[1]), [0, 1, 2, 3]);
    let all = CandidateFilter { no_repeat_ngram: 1, ..CandidateFilter::default() };
    assert!(matches!(all.apply(&[1.0, 2.0], &[0, 1], 0), Err(ModelError::NoToken { .. })));
}

#[test]
fn min_p_is_a_share_of_the_most_probable() {
    let logits: Vec<f32> = [0.4f32, 0.3, 0.2, 0.1].map(f32::ln).to_vec();
    let kept = |min_p| CandidateFilter { min_p, ..CandidateFilter::default() }.apply(&logits, &[], 0).unwrap().len();
    assert_eq!([0.0, 0.24, 0.26, 0.6, 0.8, 1.0].map(kept), [4, 4, 3, 2, 1, 1]);
    let cold = CandidateFilter { min_p: 0.26, temperature: 0.5, ..CandidateFilter::default() };
    assert_eq!(cold.apply(&logits, &[], 0).unwrap().len(), 2, "shares after the temperature");
}

#[test]
fn extreme_logits_are_ranked_too() {
    let filter = CandidateFilter { top_p: 1.0, ..CandidateFilter::default() };
    let tokens = |logits: &[f32]| filter.apply(logits, &[], 0).unwrap().tokens().collect::<Vec<_>>();
    assert_eq!(tokens(&[f32::MIN, f32::MAX, 0.0, f32::NEG_INFINITY]), [1, 2, 0]);
    assert_eq!(tokens(&[1e-30, -1e-30]), [0, 1]);
}

#[test]
fn bad_settings_and_bad_logits_are_typed_errors() {
    for top_p in [0.0, -0.1, 1.1, f32::NAN] {
        let error = CandidateFilter { top_p, ..CandidateFilter::default() }.apply(&[0.0], &[], 0).unwrap_err();
        assert!(matches!(error, ModelError::Config(ConfigError::TopP { .. })), "{error}");
    }
    for min_p in [-0.1, 1.1, f32::NAN] {
        let error = CandidateFilter { min_p, ..CandidateFilter::default() }.apply(&[0.0], &[], 0).unwrap_err();
        assert!(matches!(error, ModelError::Config(ConfigError::MinP { .. })), "{error}");
    }
    for temperature in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let error = CandidateFilter { temperature, ..CandidateFilter::default() }.apply(&[0.0], &[], 0).unwrap_err();
        assert!(matches!(error, ModelError::Config(ConfigError::Temperature { .. })), "{error}");
    }
    let none = CandidateFilter { top_k: Some(0), ..CandidateFilter::default() };
    assert_eq!(none.check(), Err(ConfigError::Zero { what: "top_k" }));
    for bad in [f32::NAN, f32::INFINITY] {
        let error = CandidateFilter::default().apply(&[0.0, bad], &[], 3).unwrap_err();
        assert!(matches!(error, ModelError::NotANumber { session: 3, token: 1, .. }), "{error}");
    }
    let error = CandidateFilter::default().apply(&[f32::NEG_INFINITY; 5], &[], 2).unwrap_err();
    assert!(matches!(error, ModelError::NoToken { session: 2, size: 5 }), "{error}");
}

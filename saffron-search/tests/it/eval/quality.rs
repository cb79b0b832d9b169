//! Measures of an answer.

use proptest::prelude::*;
use saffron_core::Outcome;
use saffron_core::testing::{ScriptedReward, TablePolicy};
use saffron_search::eval::quality::{MeanQuality, Quality, distinct_n, is_blank};
use saffron_search::{Greedy, Searcher};

fn outcome(max_new_tokens: usize) -> Outcome {
    let mut policy = TablePolicy::new(vec![0.0, 3f32.ln()], vec![0]);
    let session = policy.session(&[1]).unwrap();
    let searcher = Searcher::new(Greedy).top_p(1.0).max_new_tokens(max_new_tokens);
    searcher.run(&session, &mut policy, &mut ScriptedReward::new(0.0).with(vec![1], 1.0).with(vec![1, 1], 1.0)).unwrap()
}

#[test]
fn an_answer_is_measured_by_hand_counted_values() {
    let outcome = outcome(2);
    assert_eq!(outcome.best.tokens, [1, 1]);
    let quality = Quality::of(&outcome.best, " yes no\nyes no ");
    assert_eq!((quality.tokens, quality.words), (2, 4));
    assert_eq!((quality.distinct_1, quality.distinct_2), (Some(0.5), Some(2.0 / 3.0)));
    assert!((quality.logprob_per_token.unwrap() - 0.75f64.ln()).abs() < 1e-6);
}

#[test]
fn an_empty_answer_has_no_ratios() {
    let mut outcome = outcome(1);
    outcome.best.tokens.clear();
    outcome.best.logprob = 0.0;
    let none = Quality { tokens: 0, words: 0, distinct_1: None, distinct_2: None, logprob_per_token: None };
    assert_eq!(Quality::of(&outcome.best, " "), none);
    outcome.best.tokens.push(1);
    outcome.best.logprob = f32::NEG_INFINITY;
    assert_eq!(Quality::of(&outcome.best, "").logprob_per_token, None);
}

#[test]
fn means_are_over_the_answers_that_have_the_measure() {
    let long =
        Quality { tokens: 4, words: 3, distinct_1: Some(1.0), distinct_2: Some(0.5), logprob_per_token: Some(-1.0) };
    let short = Quality { tokens: 2, words: 1, distinct_1: Some(0.5), distinct_2: None, logprob_per_token: Some(-2.0) };
    let mean = MeanQuality::of(&[long, short]);
    assert_eq!((mean.answers, mean.tokens, mean.words), (2, Some(3.0), Some(2.0)));
    assert_eq!((mean.distinct_1, mean.distinct_2, mean.logprob_per_token), (Some(0.75), Some(0.5), Some(-1.5)));
    assert_eq!(MeanQuality::of(&[]), MeanQuality::default());
}

#[test]
fn records_of_quality_come_back_as_they_were_written() {
    let quality = Quality::of(&outcome(2).best, "a b");
    assert_eq!(serde_json::from_str::<Quality>(&serde_json::to_string(&quality).unwrap()).unwrap(), quality);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn distinct_n_is_a_share_and_full_exactly_when_nothing_repeats(units in proptest::collection::vec(0u8..6, 0..12), n in 0usize..5) {
        let grams: Vec<&[u8]> = if n == 0 { Vec::new() } else { units.windows(n).collect() };
        let repeats = (0..grams.len()).any(|place| grams[..place].contains(&grams[place]));
        match distinct_n(&units, n) {
            None => prop_assert!(grams.is_empty()),
            Some(share) => {
                prop_assert!(share > 0.0 && share <= 1.0);
                prop_assert_eq!(share < 1.0, repeats);
            }
        }
    }
}

#[test]
fn a_text_is_blank_when_nothing_of_it_can_be_seen() {
    for text in ["", " ", "\t\r\n", "\u{a0}\u{3000}", "\u{200b}\u{feff}", "\u{0}\u{1b}", "\u{2800}", "\u{e0041}"] {
        assert!(is_blank(text), "{text:?}");
    }
    for text in [".", " no ", "\u{200b}a", "…", "\u{fffd}", "🙂", "é"] {
        assert!(!is_blank(text), "{text:?}");
    }
}

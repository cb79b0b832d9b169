//! Two policies as one.

use saffron_core::testing::{Counting, TablePolicy, conformance};
use saffron_core::{
    Candidate, CandidateFilter, Candidates, ConfigError, Contrast, ContrastSettings, ModelError, Policy, Token,
};

fn base() -> TablePolicy {
    TablePolicy::new(vec![-1.0, 0.5, 0.0, 0.3], vec![0]).with_row(vec![1], vec![0.0, -2.0, 1.0, 0.5])
}

/// Of another mind than the base.
fn expert() -> TablePolicy {
    TablePolicy::new(vec![2.0, -1.0, 0.0, -3.0], vec![0])
}

fn settings(strength: f32, common: Option<usize>) -> ContrastSettings {
    ContrastSettings { strength, first: 2, common }
}

fn propose(policy: &mut dyn Policy, response: &[Token], filter: &CandidateFilter) -> Candidates {
    let session = base().session(&[1, 2]).unwrap().with_response(response.to_vec()).unwrap();
    policy.propose(&[session], filter).unwrap().value.remove(0)
}

fn assert_same(found: &Candidates, expected: &Candidates) {
    assert_eq!(found.tokens().collect::<Vec<_>>(), expected.tokens().collect::<Vec<_>>());
    let near = |(one, other): (&Candidate, &Candidate)| (one.logprob - other.logprob).abs() < 1e-5;
    assert!(found.ranked.iter().zip(&expected.ranked).all(near), "{found:?} {expected:?}");
    assert!((found.mass - expected.mass).abs() < 1e-5 && found.coverage == expected.coverage);
}

#[test]
fn without_strength_and_with_all_tokens_it_is_the_base() {
    let filters = [
        CandidateFilter::default(),
        CandidateFilter { top_p: 0.7, ..CandidateFilter::default() },
        CandidateFilter { temperature: 0.5, top_k: Some(2), ..CandidateFilter::default() },
        CandidateFilter { banned: vec![1], min_new_tokens: 9, end_tokens: vec![0], ..CandidateFilter::default() },
        CandidateFilter { no_repeat_ngram: 1, min_p: 0.3, ..CandidateFilter::default() },
    ];
    let mut policy = Contrast::new(base(), expert(), settings(0.0, None)).unwrap();
    for filter in &filters {
        for response in [&[][..], &[1], &[2, 3]] {
            assert_same(&propose(&mut policy, response, filter), &propose(&mut base(), response, filter));
        }
    }
}

#[test]
fn with_strength_one_and_all_tokens_it_is_the_expert_at_first_and_the_base_later() {
    let mut policy = Contrast::new(base(), expert(), settings(1.0, None)).unwrap();
    let filter = CandidateFilter::default();
    for response in [&[][..], &[1]] {
        assert_same(&propose(&mut policy, response, &filter), &propose(&mut expert(), response, &filter));
    }
    assert_same(&propose(&mut policy, &[1, 1], &filter), &propose(&mut base(), &[1, 1], &filter));
}

#[test]
fn the_sample_space_is_what_both_find_likely_and_its_probabilities_are_the_papers() {
    // The base ranks 1 3 2 0, the expert 0 2 1 3. Two in common need k = 3: tokens 1 and 2.
    let softmax = |logits: [f32; 4]| {
        let sum: f32 = logits.iter().map(|logit| logit.exp()).sum();
        logits.map(|logit| logit.exp() / sum)
    };
    let (one, other) = (softmax([-1.0, 0.5, 0.0, 0.3]), softmax([2.0, -1.0, 0.0, -3.0]));
    for strength in [0.0f32, 0.5, 1.2] {
        let mut policy = Contrast::new(base(), expert(), settings(strength, Some(2))).unwrap();
        let found = propose(&mut policy, &[], &CandidateFilter::default());
        let steered = [1, 2].map(|token: usize| one[token] + strength * (other[token] - one[token]));
        let steered = steered.map(|probability| probability.max(1e-8));
        let total: f32 = steered.iter().sum();
        assert_eq!(found.len(), 2);
        for candidate in &found.ranked {
            let expected = steered[candidate.token as usize - 1] / total;
            assert!((candidate.logprob.exp() - expected).abs() < 1e-5, "{strength}: {candidate:?} {expected}");
        }
    }
    // A larger space than there are tokens is all of them.
    let mut all = Contrast::new(base(), expert(), settings(0.0, Some(9))).unwrap();
    assert_eq!(propose(&mut all, &[], &CandidateFilter::default()).len(), 4);
}

#[test]
fn the_base_alone_answers_later_and_batches_are_in_order() {
    let (mut asked, mut expert) = (Counting::new(base()), Counting::new(expert()));
    let mut policy = Contrast::new(&mut asked, &mut expert, settings(3.0, Some(2))).unwrap();
    let session = base().session(&[1, 2]).unwrap();
    let sessions = [&[1, 1][..], &[], &[2, 2, 2], &[1]].map(|said| session.with_response(said.to_vec()).unwrap());
    let together = policy.propose(&sessions, &CandidateFilter::default()).unwrap();
    let alone: Vec<Candidates> = sessions
        .iter()
        .map(|session| {
            policy.propose(std::slice::from_ref(session), &CandidateFilter::default()).unwrap().value.remove(0)
        })
        .collect();
    assert_eq!(together.value, alone);
    assert_eq!(together.work.iter().map(|work| work.asked).collect::<Vec<_>>(), [4, 4, 5, 6]);
    assert_eq!((asked.sessions, expert.sessions), (8, 4));
}

#[test]
fn it_keeps_the_promises_of_a_policy() {
    let session = base().session(&[1, 2]).unwrap();
    let sessions = [&[][..], &[1], &[1, 1]].map(|said| session.with_response(said.to_vec()).unwrap());
    for common in [None, Some(3)] {
        conformance::policy(&mut Contrast::new(base(), expert(), settings(0.7, common)).unwrap(), &sessions);
    }
}

#[test]
fn what_cannot_be_contrasted_is_refused() {
    let new = |settings| Contrast::new(base(), expert(), settings).map(|_| ()).unwrap_err();
    for strength in [-0.5, f32::NAN, f32::INFINITY] {
        let error = new(settings(strength, None));
        assert!(matches!(error, ModelError::Config(ConfigError::OutOfRange { what: "strength", .. })), "{error}");
    }
    let error = new(settings(1.0, Some(0)));
    assert!(matches!(error, ModelError::Config(ConfigError::Zero { what: "common" })), "{error}");
    let other = TablePolicy::new(vec![0.0; 5], vec![0]);
    let error = Contrast::new(base(), other, settings(1.0, None)).map(|_| ()).unwrap_err();
    assert!(matches!(error, ModelError::VocabularyMismatch { .. }), "{error}");
}

//! Embeddings with more rows than the tokenizer has ids.

use burn::tensor::{DType, Device};
use saffron_core::{CandidateFilter, ChildReward, MultifurcationRewardModel, Policy, TextPolicy, TokenSet};
use saffron_mrm::{Base, LmPolicy, Mrm};

use super::numbers::options;
use super::{families, path};

#[test]
fn ids_without_a_text_are_no_candidates_and_everything_else_is() {
    for name in families() {
        let base = |part| Base::open(path(&name).join(part), &Device::flex(), DType::F32).unwrap();
        let mut policy = LmPolicy::on(&base("policy"), options(&name)).unwrap();
        let (known, size) = (policy.tokenizer().known(), policy.vocabulary().size());
        assert!(known < size, "{name}: the fixture's embedding is padded");
        let session = policy.session("a question").unwrap();
        let everything = CandidateFilter { top_p: 1.0, ..CandidateFilter::default() };
        let candidates = policy.propose(std::slice::from_ref(&session), &everything).unwrap().value.remove(0);
        let mut tokens: Vec<u32> = candidates.tokens().collect();
        tokens.sort_unstable();
        assert_eq!(tokens, (0..known as u32).collect::<Vec<_>>(), "{name}");
        // The head has a row for every embedding.
        let mrm = Mrm::on(&base("guard"), options(&name)).unwrap();
        let mut mrm = mrm.with_adapter(path(&name).join("mrm")).unwrap();
        let rewards = mrm.child_rewards(&[session], &[candidates]).unwrap().value.remove(0);
        assert_eq!(rewards.len(), known, "{name}");
        let unseen: &TokenSet = &mrm.head().unseen;
        let seen = (0..known as u32).filter(|token| !unseen.contains(*token)).count();
        assert_eq!(rewards.iter().filter(|reward| matches!(reward, ChildReward::Seen(_))).count(), seen, "{name}");
    }
}

/// A vocabulary with a hole: an id below the others that no token has.
#[test]
fn a_hole_in_the_vocabulary_is_no_candidate() {
    let folder = crate::fixtures::copy(&path("qwen3").join("policy"));
    let mut hole = None;
    crate::fixtures::edit_json(&folder.path().join("tokenizer.json"), |file| {
        let merges = file["model"]["merges"].to_string();
        let vocabulary = file["model"]["vocab"].as_object_mut().unwrap();
        let is_free = |(word, _): &(&String, &serde_json::Value)| {
            word.len() == 1 && word.bytes().all(|byte| byte.is_ascii_uppercase()) && !merges.contains(word.as_str())
        };
        let word = vocabulary.iter().find(is_free).unwrap().0.clone();
        hole = vocabulary.remove(&word).unwrap().as_u64();
    });
    let hole = hole.unwrap() as u32;
    let mut policy = LmPolicy::open(folder.path(), &Device::flex()).unwrap();
    let (known, size) = (policy.tokenizer().known() as u32, policy.vocabulary().size() as u32);
    assert!(hole + 1 < known && !policy.tokenizer().has_text(hole));
    let session = policy.session("a question").unwrap();
    let everything = CandidateFilter { top_p: 1.0, ..CandidateFilter::default() };
    let propose = |policy: &mut LmPolicy| -> Vec<(u32, f32)> {
        let found = policy.propose(std::slice::from_ref(&session), &everything).unwrap().value.remove(0);
        assert!((found.mass - 1.0).abs() < 1e-5);
        let mut all: Vec<(u32, f32)> = found.ranked.iter().map(|one| (one.token, one.logprob)).collect();
        all.sort_unstable_by_key(|(token, _)| *token);
        all
    };
    let found = propose(&mut policy);
    let expected: Vec<u32> = (0..known).filter(|token| *token != hole).collect();
    assert_eq!(found.iter().map(|(token, _)| *token).collect::<Vec<_>>(), expected);
    // As if the hole were not there: the other policy has a text for it, and its share is spread.
    let mut whole = LmPolicy::open(path("qwen3").join("policy"), &Device::flex()).unwrap();
    let all = propose(&mut whole);
    let share = all.iter().find(|(token, _)| *token == hole).unwrap().1.exp();
    for (token, logprob) in &found {
        let before = all.iter().find(|(other, _)| other == token).unwrap().1;
        assert!((logprob - (before - (1.0 - share).ln())).abs() < 1e-4, "{token}");
    }
    // An end of sequence beyond the tokenizer's ids is one, and no id between.
    let mut ends = policy.with_end_tokens(vec![size - 1]);
    let tokens: Vec<u32> = propose(&mut ends).iter().map(|(token, _)| *token).collect();
    assert_eq!(tokens, expected.into_iter().chain([size - 1]).collect::<Vec<_>>());
}

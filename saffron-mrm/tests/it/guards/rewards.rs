//! Rewards end to end: the logits of the answers behind the published prompt, the lowest of several
//! questions, the third answer.

use saffron_core::{ProcessRewardModel, Run, Session, Token};
use saffron_mrm::checkpoint::LoraWeights;
use saffron_mrm::engine::{Engine, Merge, Outputs, Query};
use saffron_mrm::{GuardRewardModel, ModelOptions, RewardHead, RewardHeadFiles, guards};

use super::cases::{CASES, Case, QWEN3GUARD, SHIELDGEMMA, device};
use super::{PROMPT, REPLY, guard, session};
use crate::fixtures::dir;

/// The logits of the answers behind contexts, by the decoder alone.
fn logits(engine: &mut Engine, contexts: &[Vec<Token>], answers: &[Token]) -> Vec<Vec<f32>> {
    let run = Run::new();
    let query = |tokens: &Vec<Token>| Query { run: &run, tokens: tokens.clone(), scratch: 0 };
    let queries: Vec<Query<'_>> = contexts.iter().map(query).collect();
    let found = engine.last_logits(&queries, Outputs::Tokens(answers)).unwrap();
    (0..contexts.len()).map(|place| found.logits(place).to_vec()).collect()
}

/// The tokens that answer: each is a word of the vocabulary.
fn answers(case: &Case, guard: &GuardRewardModel) -> Vec<Token> {
    let token = |answer: &&str| guard.tokenizer().token_id(&answer.replace(' ', "\u{120}")).unwrap();
    case.answers.iter().map(token).collect()
}

fn close(found: f32, expected: f32, what: &str) {
    assert!((found - expected).abs() < 1e-4, "{what}: {found} and {expected}");
}

fn one(guard: &mut GuardRewardModel, session: &Session) -> f32 {
    guard.process_rewards(std::slice::from_ref(session)).unwrap().value[0]
}

#[test]
fn every_guard_rewards_by_the_logits_behind_its_prompt() {
    for case in &CASES {
        let (mut guard, session) = (guard(case, case.name), session(case, PROMPT, REPLY));
        let (contexts, answers) = (guard.contexts(&session).unwrap(), answers(case, &guard));
        let mut engine = Engine::open(case.checkpoint().path(), &device(), ModelOptions::default()).unwrap();
        let lowest = logits(&mut engine, &contexts, &answers)
            .iter()
            .map(|logits| match logits[..] {
                [safe, not_safe] => safe - not_safe,
                [safe, not_safe, third] => safe - (not_safe.exp() + third.exp()).ln(),
                _ => unreachable!(),
            })
            .fold(f32::INFINITY, f32::min);
        close(one(&mut guard, &session), lowest, case.name);
    }
}

#[test]
fn the_lowest_reward_of_several_policies_counts() {
    let sessions = [REPLY, "No.", "I will not say."].map(|reply| session(&SHIELDGEMMA, PROMPT, reply));
    let rewards = |name: &str| {
        let reply = guard(&SHIELDGEMMA, name).process_rewards(&sessions).unwrap();
        assert_eq!((reply.value.len(), reply.work.len()), (3, 3), "{name}");
        reply
    };
    let parts = ["dangerous", "hate", "sexual", "harassment"];
    assert_eq!(guards::questions_of("shieldgemma"), parts);
    let single: Vec<_> = parts.iter().map(|part| rewards(&format!("shieldgemma:{part}"))).collect();
    for (name, chosen) in [("shieldgemma", &single[..]), ("shieldgemma:dangerous,hate", &single[..2])] {
        let all = rewards(name);
        for place in 0..sessions.len() {
            let lowest = chosen.iter().map(|reply| reply.value[place]).fold(f32::INFINITY, f32::min);
            close(all.value[place], lowest, name);
            // Every question is paid for; what they have in common is computed once.
            let asked: u64 = chosen.iter().map(|reply| reply.work[place].asked).sum();
            assert_eq!(all.work[place].asked, asked);
            let apart: u64 = chosen.iter().map(|reply| reply.work[place].attributed.tokens).sum();
            assert!(all.work[place].attributed.tokens < apart, "{name}");
        }
    }
}

#[test]
fn a_third_answer_counts_on_one_side() {
    let session = session(&QWEN3GUARD, PROMPT, REPLY);
    let (mut strict, mut loose) = (guard(&QWEN3GUARD, "qwen3guard"), guard(&QWEN3GUARD, "qwen3guard-loose"));
    let contexts = strict.contexts(&session).unwrap();
    assert_eq!(loose.contexts(&session).unwrap(), contexts, "both ask the same");
    let answers = answers(&QWEN3GUARD, &strict);
    let mut engine = Engine::open(QWEN3GUARD.checkpoint().path(), &device(), ModelOptions::default()).unwrap();
    let found = logits(&mut engine, &contexts, &answers).remove(0);
    let [safe, not_safe, third] = found[..] else { unreachable!() };
    close(one(&mut strict, &session), safe - (not_safe.exp() + third.exp()).ln(), "strict");
    close(one(&mut loose, &session), (safe.exp() + third.exp()).ln() - not_safe, "loose");
}

#[test]
fn the_bias_of_every_answer_counts() {
    let (adapter, session) = (dir("families/qwen3/mrm"), session(&QWEN3GUARD, PROMPT, REPLY));
    let mut guard = guard(&QWEN3GUARD, "qwen3guard").with_adapter(&adapter).unwrap();
    let (contexts, answers) = (guard.contexts(&session).unwrap(), answers(&QWEN3GUARD, &guard));
    let engine = Engine::open(QWEN3GUARD.checkpoint().path(), &device(), ModelOptions::default()).unwrap();
    let (lora, _) = LoraWeights::from_dir(&adapter, engine.decoder().config(), &device()).unwrap();
    let mut engine = engine.with_lora(lora, Merge::IntoWeights).unwrap();
    let head = RewardHead::from_dir(&adapter, 129).unwrap();
    let found = logits(&mut engine, &contexts, &answers).remove(0);
    let biased: Vec<f32> =
        found.iter().zip(&answers).map(|(logit, answer)| logit + head.bias[*answer as usize]).collect();
    close(one(&mut guard, &session), biased[0] - (biased[1].exp() + biased[2].exp()).ln(), "with a bias");
}

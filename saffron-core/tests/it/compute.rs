//! Closed-form FLOPs and the books.

use std::time::Duration;

use proptest::prelude::*;
use saffron_core::{Budget, ComputeMeter, DecoderShape, Limit, Role, Sliding, Work};

const SMOLLM2: DecoderShape = DecoderShape {
    layers: 30,
    hidden: 576,
    q: 576,
    kv: 192,
    intermediate: 1536,
    vocab: 49152,
    lora_per_token: 0,
    lora_per_output: 0,
    sliding: Sliding::NONE,
};

#[test]
fn linear_flops_are_two_per_weight() {
    // 134.5 million weights, of which the embedding (28.3 million) is tied and used once, as the unembedding.
    let block = 576 * (576 + 2 * 192) + 576 * 576 + 3 * 576 * 1536;
    assert_eq!(SMOLLM2.linear_per_token(), 2 * 30 * block);
    assert_eq!(SMOLLM2.unembedding_per_output(), 2 * 576 * 49152);
}

#[test]
fn attention_flops_are_four_per_pair_and_query_width() {
    // Position 2 attends to three keys: 4 · 576 · 3 in each of 30 layers.
    let with = SMOLLM2.continuation(2, 3, 0);
    assert_eq!(with.pairs, 3);
    assert_eq!(with.flops, SMOLLM2.linear_per_token() + 30 * 4 * 576 * 3);
}

/// Positions of a sliding layer, counted one by one: each sees as many as there are, and no more
/// than the window.
#[test]
fn layers_that_slide_have_the_pairs_of_their_window() {
    let sliding = Sliding { layers: 20, window: 7 };
    let shape = DecoderShape { sliding, ..SMOLLM2 };
    for (from, to) in [(0, 1), (0, 5), (3, 7), (5, 9), (7, 8), (0, 40), (20, 33)] {
        let seen: u64 = (from..to).map(|position: u64| (position + 1).min(7)).sum();
        let all: u64 = (from..to).map(|position| position + 1).sum();
        let linear = (to - from) * SMOLLM2.linear_per_token();
        let found = shape.continuation(from, to, 0);
        assert_eq!(found.flops, linear + 4 * 576 * (10 * all + 20 * seen), "{from}..{to}");
        assert_eq!((found.pairs, found.tokens), (all, to - from));
    }
    // A window that is wider than the context changes nothing.
    let wide = DecoderShape { sliding: Sliding { layers: 20, window: 100 }, ..SMOLLM2 };
    assert_eq!(wide.continuation(3, 90, 2), SMOLLM2.continuation(3, 90, 2));
}

/// The calflops package publishes 1,700.06 GFLOPs (850 G multiply-adds) for one forward pass of Llama 2 7B over 128 tokens, logits of all
/// of them, counted operation by operation. It counts all pairs of positions, where a causal model needs half.
#[test]
fn a_published_count_for_a_llama_is_met() {
    let llama2_7b = DecoderShape {
        layers: 32,
        hidden: 4096,
        q: 4096,
        kv: 4096,
        intermediate: 11_008,
        vocab: 32_000,
        lora_per_token: 0,
        lora_per_output: 0,
        sliding: Sliding::NONE,
    };
    let giga = |flops: u64| flops as f64 / 1e9;
    let all_pairs = giga(llama2_7b.forwarded(128, 128 * 128, 128).flops);
    assert!((all_pairs - 1700.06).abs() < 0.1, "{all_pairs}");
    let causal = giga(llama2_7b.continuation(0, 128, 128).flops);
    assert!(causal < all_pairs && causal > 0.997 * all_pairs, "{causal}");
}

proptest! {
    /// Computing a sequence in parts costs what computing it at once costs.
    #[test]
    fn continuations_add_up(a in 0u64..400, b in 0u64..400, c in 0u64..400) {
        let (end, middle) = (a + b + c, a + b);
        let whole = SMOLLM2.continuation(a, end, 1);
        let mut parts = SMOLLM2.continuation(a, middle, 0);
        parts += SMOLLM2.continuation(middle, end, 1);
        prop_assert_eq!(parts, whole);
        prop_assert_eq!(whole.pairs, (a..end).map(|position| position + 1).sum::<u64>());
    }

    #[test]
    fn meters_add_up(calls in prop::collection::vec((0u64..50, 0u64..50, 0usize..3), 0..20)) {
        let mut meter = ComputeMeter::default();
        for (asked, cached, role) in &calls {
            let role = [Role::Policy, Role::Reward, Role::Judge][*role];
            meter.record(role, &[Work { asked: *asked, cached: *cached, ..Work::default() }], Duration::from_secs(1));
        }
        let usage = meter.usage();
        let all = [usage.policy, usage.reward, usage.judge];
        prop_assert_eq!(all.iter().map(|role| role.asked).sum::<u64>(), calls.iter().map(|call| call.0).sum::<u64>());
        prop_assert_eq!(all.iter().map(|role| role.calls).sum::<u64>(), calls.len() as u64);
        prop_assert_eq!(all.iter().map(|role| role.wall).sum::<Duration>(), Duration::from_secs(calls.len() as u64));
    }
}

#[test]
fn every_limit_is_looked_at() {
    let mut meter = ComputeMeter::default();
    let work = Work { attributed: SMOLLM2.continuation(0, 4, 1), ..Work::default() };
    meter.record(Role::Policy, &[work], Duration::ZERO);
    meter.record(Role::Reward, &[work], Duration::ZERO);
    let usage = meter.usage();
    let none = Budget::default();
    let (policy, reward) = (Role::Policy, Role::Reward);
    let flops = 2 * work.attributed.flops;
    let cases = [
        (policy, none, None),
        (policy, Budget { max_policy_calls: Some(1), ..none }, Some(Limit::PolicyCalls)),
        (policy, Budget { max_policy_calls: Some(2), ..none }, None),
        (reward, Budget { max_policy_calls: Some(1), ..none }, None),
        (reward, Budget { max_reward_calls: Some(1), ..none }, Some(Limit::RewardCalls)),
        (policy, Budget { max_policy_tokens: Some(4), ..none }, Some(Limit::PolicyTokens)),
        (reward, Budget { max_reward_tokens: Some(4), ..none }, Some(Limit::RewardTokens)),
        (policy, Budget { max_flops: Some(flops), ..none }, Some(Limit::Flops)),
        (reward, Budget { max_flops: Some(flops), ..none }, Some(Limit::Flops)),
        (policy, Budget { max_flops: Some(flops + 1), ..none }, None),
    ];
    for (role, budget, expected) in cases {
        assert_eq!(budget.spent(role, usage), expected, "{role} under {budget:?}");
    }
}

#[test]
fn computed_work_does_not_count_against_a_budget() {
    let mut meter = ComputeMeter::default();
    let work = Work { computed: SMOLLM2.continuation(0, 100, 1), ..Work::default() };
    meter.record(Role::Policy, &[work], Duration::ZERO);
    assert_eq!(Budget { max_policy_tokens: Some(1), ..Budget::default() }.spent(Role::Policy, meter.usage()), None);
}

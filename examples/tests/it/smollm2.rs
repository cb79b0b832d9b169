//! A real model. It is fetched by `scripts/fetch_smollm2.sh` and not in the repository.

use std::path::PathBuf;

use burn::tensor::Device;
use saffron_core::{NoReward, StopReason};
use saffron_mrm::{LmPolicy, Mrm};
use saffron_search::{Greedy, Saffron, Searcher};
use saffron_train::Init;

fn dir() -> PathBuf {
    crate::root().join("models/smollm2")
}

#[test]
#[ignore = "needs a model: scripts/fetch_smollm2.sh && cargo test --release -p saffron-examples --test it -- --ignored smollm2"]
fn greedy_knows_the_capital_of_france() {
    let mut policy = LmPolicy::open(dir(), &Device::flex()).unwrap();
    let session = policy.session("What is the capital of France?").unwrap();
    let outcome = Searcher::new(Greedy).run(&session, &mut policy, &mut NoReward).unwrap();
    assert_eq!(policy.text(&outcome.best).unwrap(), "The capital of France is Paris.");
    assert_eq!(outcome.stop, StopReason::EndOfSequence(2));
}

#[test]
#[ignore = "needs a model: scripts/fetch_smollm2.sh && cargo test --release -p saffron-examples --test it -- --ignored smollm2"]
fn a_wide_search_completes_and_computes_every_token_once() {
    let device = Device::flex();
    let mut policy = LmPolicy::open(dir(), &device).unwrap();
    let config = policy.engine().decoder().config().clone();
    let adapter = tempfile::tempdir().unwrap();
    let init = Init { seed: 1, spread_b: 0.1, spread_bias: 0.1, unseen: 0.5 };
    let targets = vec![String::from("q_proj"), String::from("v_proj")];
    let lora = saffron_mrm::checkpoint::AdapterConfig::new(4, 4.0, targets);
    init.adapter(&lora, &config, &device).unwrap().save(adapter.path(), &lora).unwrap();
    init.head(config.vocab_size).save_torch(adapter.path()).unwrap();
    let mut mrm = Mrm::open(dir(), &device).unwrap().with_adapter(adapter.path()).unwrap();
    let session = policy.session("How do I bake bread?").unwrap();
    let outcome = Searcher::new(Saffron::paper(16)).max_new_tokens(32).run(&session, &mut policy, &mut mrm).unwrap();
    assert!(outcome.best.tokens.len() >= 16 && outcome.beam.len() >= 16);
    for role in [&outcome.usage.policy, &outcome.usage.reward] {
        assert_eq!(role.computed.tokens, role.attributed.tokens, "nothing was evicted and computed again");
    }
    // A cached token costs its keys and values and nothing else.
    let live = policy.engine().cache_stats().live as u64;
    assert_eq!(live, outcome.usage.policy.computed.tokens);
    assert_eq!(policy.engine().pools().copied_writes(), 0);
}

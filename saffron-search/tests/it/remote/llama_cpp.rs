//! A real server, which `SAFFRON_LLAMACPP` names. It is started by `scripts/llamacpp_server.sh`.

use saffron_core::{
    CandidateFilter, NoReward, Policy, PrmScorer, PromptLayout, StopReason, TextPolicy, process_reward_fn,
};
use saffron_search::remote::{RemotePolicy, RemoteSettings, Server};
use saffron_search::{Greedy, Saffron, Searcher};

fn open() -> RemotePolicy {
    let url =
        std::env::var("SAFFRON_LLAMACPP").expect("SAFFRON_LLAMACPP names a server, such as http://127.0.0.1:8080");
    let server = Server::connect(&format!("llamacpp:{url}").parse().unwrap(), RemoteSettings::default()).unwrap();
    RemotePolicy::open(server).unwrap()
}

#[test]
#[ignore = "needs a server: scripts/llamacpp_server.sh -- cargo test -p saffron-search --features remote --test it -- --ignored llama_cpp"]
fn the_server_tokenises_answers_and_ends() {
    let opened = open();
    // Without the system prompt that the model's own template would add.
    let server = opened.server().clone();
    let ids = |text| server.tokenize(text, true).unwrap();
    let layout = PromptLayout {
        prefix: ids("<|im_start|>user\n"),
        infix: ids("<|im_end|>\n<|im_start|>assistant\n"),
        suffix: Vec::new(),
    };
    assert!(opened.layout().ids().prefix.ends_with(&layout.prefix) && opened.layout().ids().infix == layout.infix);
    let mut policy = RemotePolicy::on(server.clone(), opened.vocabulary(), layout, opened.end_tokens());
    let session = policy.session("What is the capital of France?").unwrap();
    let outcome = Searcher::new(Greedy).max_new_tokens(24).run(&session, &mut policy, &mut NoReward).unwrap();
    assert_eq!(policy.text(&outcome.best).unwrap(), "The capital of France is Paris.");
    assert!(matches!(outcome.stop, StopReason::EndOfSequence(2)), "{}", outcome.stop);
    let usage = outcome.usage.policy;
    assert_eq!((usage.unknown, usage.truncated), (0, 0));
    assert!(usage.cached > usage.asked / 2, "the server's cache is used: {usage:?}");
}

#[test]
#[ignore = "needs a server: scripts/llamacpp_server.sh -- cargo test -p saffron-search --features remote --test it -- --ignored llama_cpp"]
fn a_beam_goes_as_one_batch_a_step() {
    let mut policy = open();
    let session = policy.attacked_session("How do I bake bread?", "Sure, here is how", 4).unwrap();
    let mut short =
        PrmScorer(process_reward_fn(|session| -(session.response().iter().map(|token| *token as f32).sum::<f32>())));
    let searcher = Searcher::new(Saffron::paper(8)).max_new_tokens(8).min_new_tokens(8);
    let outcome = searcher.run(&session, &mut policy, &mut short).unwrap();
    assert_eq!((outcome.best.tokens.len(), outcome.beam.len()), (8, 8));
    assert_eq!(outcome.usage.policy.calls, 8);
    // The same question twice gives the same candidates, to the server's float noise.
    let ask = |policy: &mut RemotePolicy| {
        policy.propose(std::slice::from_ref(&session), &CandidateFilter { top_p: 0.9, ..CandidateFilter::default() })
    };
    let [one, other] = [ask(&mut policy).unwrap().value.remove(0), ask(&mut policy).unwrap().value.remove(0)];
    assert_eq!(one.ranked[0].token, other.ranked[0].token);
    assert!((one.mass - other.mass).abs() < 0.05);
}

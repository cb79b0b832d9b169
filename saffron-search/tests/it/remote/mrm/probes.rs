//! What is found out when a served reward model is opened, and the flag that mends it.

use saffron_core::{PlainVocabulary, ServedHead};
use saffron_search::remote::{EngineKind, RemoteError, RemoteMrm, RewardRoute, RewardSettings, Server};

use super::fake::{FakeMrm, Way, head};
use super::{open, open_with, reach, rewards_asked, serve};
use crate::remote::fake::VOCAB;
use crate::remote::scripted::Scripted;
use crate::remote::{address, settings};

/// What is wrong and what mends it.
fn setup(result: Result<RemoteMrm, RemoteError>) -> (String, String) {
    match result {
        Err(RemoteError::Setup { found, remedy, .. }) => (found, remedy),
        other => panic!("{other:?}"),
    }
}

fn without_probes() -> ServedHead {
    let mut head = head();
    head.notes.probes.clear();
    head
}

#[test]
fn half_precision_moves_rewards_in_a_batch() {
    for way in Way::ALL {
        let server = serve(FakeMrm { moves: 0.1, ..FakeMrm::new(way) });
        let (found, remedy) = setup(open(way, &server));
        assert!(found.contains("half precision") && found.contains("0.1"), "{way:?}: {found}");
        let flag = if way == Way::LlamaCpp { "--flash-attn off" } else { "--dtype float32" };
        assert!(remedy.contains(flag) && remedy.contains("tolerance"), "{remedy}");
        // Whoever allows it is told by how much.
        let mut rewards = RewardSettings::default();
        rewards.tolerance = 0.5;
        let report = open_with(way, &server, settings(), head(), rewards).unwrap().report().clone();
        assert!(report.step > 0.01 && report.step < 0.5, "{way:?}: {report}");
    }
}

#[test]
fn a_server_of_another_model_is_seen() {
    for way in [Way::VllmLogits, Way::VllmReference, Way::LlamaCpp] {
        let server = serve(FakeMrm { off: 0.7, ..FakeMrm::new(way) });
        let mut named = RewardSettings::default();
        named.route = Some(way.route());
        let (found, remedy) = setup(open_with(way, &server, settings(), head(), named));
        assert!(found.contains("0.7") && found.contains("exported model"), "{way:?}: {found}");
        assert!(remedy.contains("export_mrm"), "{remedy}");
    }
    // Without probes nothing shows it, and the report says so.
    let server = serve(FakeMrm { off: 0.7, ..FakeMrm::new(Way::VllmLogits) });
    let opened = open_with(Way::VllmLogits, &server, settings(), without_probes(), RewardSettings::default()).unwrap();
    assert_eq!(opened.report().error, None);
    assert!(opened.report().notes.iter().any(|note| note.contains("no probes")), "{:?}", opened.report());
}

#[test]
fn log_probabilities_need_a_reference_token() {
    for way in [Way::VllmReference, Way::LlamaCpp] {
        let mut bare = head();
        bare.notes.reference = None;
        let (_, remedy) = setup(open_with(way, &serve(FakeMrm::new(way)), settings(), bare, RewardSettings::default()));
        assert!(remedy.contains("reference token"), "{remedy}");
        assert_eq!(remedy.contains("--logprobs-mode raw_logits"), way == Way::VllmReference, "{remedy}");
    }
    // Without probes, logits are told by what their exponentials add up to.
    let server = serve(FakeMrm::new(Way::VllmLogits));
    let opened = open_with(Way::VllmLogits, &server, settings(), without_probes(), RewardSettings::default()).unwrap();
    assert_eq!(opened.report().route, RewardRoute::Logits);
}

#[test]
fn pooling_needs_the_unembedding() {
    let mut bare = head();
    bare.unembedding = None;
    let server = serve(FakeMrm::new(Way::VllmPooling));
    let (_, remedy) = setup(open_with(Way::VllmPooling, &server, settings(), bare, RewardSettings::default()));
    assert!(remedy.contains("--unembedding"), "{remedy}");
}

#[test]
fn a_route_by_name_is_taken_or_refused() {
    let named = |way: Way, route| {
        let mut rewards = RewardSettings::default();
        rewards.route = Some(route);
        open_with(way, &serve(FakeMrm::new(way)), settings(), head(), rewards)
    };
    assert_eq!(named(Way::VllmReference, RewardRoute::Reference).unwrap().report().route, RewardRoute::Reference);
    // The logits' differences are the log-probabilities', so the reference serves there, too.
    assert_eq!(named(Way::VllmLogits, RewardRoute::Reference).unwrap().report().route, RewardRoute::Reference);
    let (found, _) = setup(named(Way::LlamaCpp, RewardRoute::Pooling));
    assert!(found.contains("pooling"), "{found}");
    assert!(named(Way::VllmPooling, RewardRoute::Logits).is_err());
    assert_eq!("pooling".parse::<RewardRoute>().unwrap(), RewardRoute::Pooling);
    assert!("other".parse::<RewardRoute>().unwrap_err().to_string().contains("logits, pooling, reference"));
}

#[test]
fn another_vocabulary_is_refused() {
    let way = Way::VllmLogits;
    let server = serve(FakeMrm::new(way));
    let small = saffron_search::remote::RemoteSettings { vocab_size: Some(30), ..settings() };
    let (found, _) = setup(open_with(way, &server, small, head(), RewardSettings::default()));
    assert!(found.contains("30") && found.contains("40"), "{found}");
}

#[test]
fn heads_that_contradict_themselves_are_refused() {
    let way = Way::VllmLogits;
    let server = serve(FakeMrm::new(way));
    let mut heads = vec![head(), head(), head(), head(), head()];
    heads[0].head.bias.pop();
    heads[1].notes.reference = Some(VOCAB as u32);
    heads[2].notes.probes[0].logits.pop();
    heads[3].notes.logit_divisor = 0.0;
    heads[4].notes.probes[0].tokens.clear();
    for head in heads {
        let error = open_with(way, &server, settings(), head, RewardSettings::default()).unwrap_err();
        assert!(matches!(error, RemoteError::Settings { .. }), "{error}");
    }
    let mut rewards = RewardSettings::default();
    rewards.tolerance = f32::NAN;
    assert!(matches!(open_with(way, &server, settings(), head(), rewards), Err(RemoteError::Settings { .. })));
    let mut bare = head();
    bare.notes.layout = None;
    let (_, remedy) = setup(open_with(way, &server, settings(), bare, RewardSettings::default()));
    assert!(remedy.contains("RemoteMrm::on"), "{remedy}");
}

#[test]
fn a_cache_that_does_not_serve_is_said() {
    let cold = serve(FakeMrm { caches: false, ..FakeMrm::new(Way::VllmLogits) });
    let report = open(Way::VllmLogits, &cold).unwrap().report().clone();
    assert_eq!(report.caches, Some(false));
    assert!(report.notes[0].contains("--block-size 32"), "{report:?}");
    let warm = open(Way::LlamaCpp, &serve(FakeMrm::new(Way::LlamaCpp))).unwrap().report().clone();
    assert_eq!((warm.caches, warm.notes.len()), (Some(true), 0));
}

/// A vLLM with one adapter and no spare slot: rows of the base come out wrong where they share a
/// step with rows of the adapter. Here every request of the base that comes behind one of the
/// adapter does.
fn disturbed() -> Scripted {
    let model = FakeMrm { models: vec!["base", "mrm"], ..FakeMrm::new(Way::VllmReference) };
    let (mut asked, mut mixed) = (0, false);
    Scripted::serve(move |seen| {
        let of_base = seen.body["model"] == "base";
        asked += usize::from(of_base);
        // The two probes of the base alone come first.
        mixed |= asked > 2;
        let model = if of_base && mixed { FakeMrm { off: 21.0, ..model.clone() } } else { model.clone() };
        model.reply(seen)
    })
}

#[test]
fn adapters_that_disturb_their_base_are_seen() {
    let way = Way::VllmReference;
    let named = saffron_search::remote::RemoteSettings { model: Some(String::from("mrm")), ..settings() };
    let (found, remedy) = setup(open_with(way, &disturbed(), named.clone(), head(), RewardSettings::default()));
    assert!(found.contains("\"base\"") && found.contains("21"), "{found}");
    assert!(remedy.contains("--max-loras"), "{remedy}");
    let fine = serve(FakeMrm { models: vec!["base", "mrm"], ..FakeMrm::new(way) });
    open_with(way, &fine, named, head(), RewardSettings::default()).unwrap();
    let of_base = rewards_asked(&fine).iter().filter(|seen| seen.body["model"] == "base").count();
    assert!(of_base >= 5, "the base is asked beside the adapter");
}

#[test]
fn every_endpoint_is_tried() {
    let way = Way::VllmLogits;
    let (right, wrong) = (serve(FakeMrm::new(way)), serve(FakeMrm { off: 3.0, ..FakeMrm::new(way) }));
    let server = Server::reach(&address(EngineKind::Vllm, &[&right, &wrong]), settings(), &mut |_| {}).unwrap();
    let opened = RemoteMrm::open(server, PlainVocabulary::shared(VOCAB), head(), RewardSettings::default());
    assert!(setup(opened).0.contains("exported model"));
    assert!(reach(way, &right, settings()).is_ok());
}

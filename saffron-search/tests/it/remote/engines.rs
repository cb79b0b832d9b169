//! Each engine's way of saying things comes to the same as the model at hand.

use saffron_core::testing::{ScriptedReward, conformance};
use saffron_core::{CandidateFilter, Coverage, DecoderShape, Policy, Session, Sliding, TextPolicy};
use saffron_search::remote::{EngineKind, RemotePolicy, RemoteSettings, Server};
use saffron_search::strategy::StrategyConfig;
use saffron_search::{Saffron, Searcher};

use super::fake::{FakeEngine, Local, VOCAB};
use super::scripted::Scripted;
use super::{address, connect, good, layout, policy, session, settings};

fn sessions() -> Vec<Session> {
    let longer = |response: &[u32]| session().with_response(response.to_vec()).unwrap();
    vec![session(), longer(&[5]), longer(&[5, 7]), longer(&[6])]
}

#[test]
fn a_policy_behind_every_engine_conforms() {
    for kind in EngineKind::ALL {
        let server = good(kind);
        let settings = RemoteSettings { top: VOCAB, ..settings() };
        conformance::policy(&mut policy(connect(kind, &server, settings)), &sessions());
    }
}

#[test]
fn candidates_are_those_of_the_model_at_hand() {
    let filter = CandidateFilter { top_p: 0.8, ..CandidateFilter::default() };
    let expected = Local(layout()).propose(&sessions(), &filter).unwrap().value;
    for kind in EngineKind::ALL {
        let server = good(kind);
        let found = policy(connect(kind, &server, settings())).propose(&sessions(), &filter).unwrap().value;
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.tokens().collect::<Vec<_>>(), expected.tokens().collect::<Vec<_>>(), "{kind}");
            assert_eq!(found.coverage, Coverage::Full, "{kind}");
            assert!((found.mass - expected.mass).abs() < 1e-5, "{kind}");
        }
        // The probe, and one request for all four sequences.
        assert_eq!(server.steps().len(), 2, "{kind}");
    }
}

#[test]
fn a_whole_search_finds_what_it_finds_at_hand() {
    let reward = || ScriptedReward::new(0.0).with(vec![3], 2.0).with(vec![7, 8], 3.0);
    let strategies =
        [r#"{"kind": "saffron"}"#, r#"{"kind": "best-of-n"}"#, r#"{"kind": "rebase"}"#, r#"{"kind": "mcts"}"#];
    for strategy in strategies {
        let strategy: StrategyConfig = serde_json::from_str(strategy).unwrap();
        let filter = CandidateFilter { top_p: 0.9, ..strategy.filter() };
        let search = |policy: &mut dyn Policy| {
            let settings = saffron_core::ContextSettings {
                filter: filter.clone(),
                max_new_tokens: 6,
                budget: saffron_core::Budget::default(),
                seed: 3,
            };
            Searcher::with_settings(strategy.build(4), settings).run(&session(), policy, &mut reward()).unwrap()
        };
        let expected = search(&mut Local(layout()));
        for kind in EngineKind::ALL {
            let server = good(kind);
            let found = search(&mut policy(connect(kind, &server, RemoteSettings { top: 36, ..settings() })));
            assert_eq!(found.best.tokens, expected.best.tokens, "{kind}, {}", found.strategy);
            assert_eq!(found.stop, expected.stop, "{kind}");
        }
    }
}

#[test]
fn the_server_may_tokenise_and_know_the_template() {
    for kind in [EngineKind::LlamaCpp, EngineKind::Vllm] {
        let server = good(kind);
        let settings = RemoteSettings { end_tokens: (kind == EngineKind::Vllm).then(|| vec![0]), ..settings() };
        let mut policy = RemotePolicy::open(connect(kind, &server, settings)).unwrap();
        assert_eq!(policy.layout().ids(), &layout(), "{kind}");
        assert_eq!(policy.end_tokens(), [0]);
        let session = policy.session("jkl").unwrap();
        assert_eq!(session.prompt(), [9, 10, 11]);
        let attacked = policy.attacked_session("jkl", "mno", 1).unwrap();
        assert_eq!(attacked.prefill(), [12]);
        let reward = &mut ScriptedReward::new(0.0);
        let outcome = Searcher::new(Saffron::paper(2))
            .max_new_tokens(3)
            .min_new_tokens(3)
            .run(&attacked, &mut policy, reward)
            .unwrap();
        let expected = Searcher::new(Saffron::paper(2)).max_new_tokens(3).min_new_tokens(3).run(
            &super::session(),
            &mut Local(layout()),
            reward,
        );
        assert_eq!(outcome.best.tokens, expected.unwrap().best.tokens);
        assert_eq!(policy.text(&outcome.best).unwrap().len(), 3);
    }
}

#[test]
fn what_the_cache_saved_is_entered_where_it_is_said_and_unknown_where_it_is_not() {
    let shape = DecoderShape {
        layers: 2,
        hidden: 4,
        q: 4,
        kv: 2,
        intermediate: 8,
        vocab: VOCAB as u64,
        lora_per_token: 0,
        lora_per_output: 0,
        sliding: Sliding::NONE,
    };
    // Prefix, prompt, infix, prefill: 1 + 3 + 2 + 1 tokens, then three steps of one token more.
    let asked = 7 + 8 + 9;
    for kind in EngineKind::ALL {
        for tells_cached in [true, false] {
            let engine = FakeEngine { tells_cached, ..FakeEngine::new(kind) };
            let server = Scripted::serve(move |seen| engine.reply(seen));
            let mut policy = policy(connect(kind, &server, settings())).with_shape(shape);
            let searcher = Searcher::new(saffron_search::Greedy).max_new_tokens(3).min_new_tokens(3);
            let outcome = searcher.run(&session(), &mut policy, &mut saffron_core::NoReward).unwrap();
            let usage = outcome.usage.policy;
            assert_eq!(usage.asked, asked, "{kind}");
            let (cached, unknown) = if tells_cached { (asked - 3, 0) } else { (0, asked) };
            assert_eq!(
                (usage.cached, usage.unknown, usage.computed.tokens),
                (cached, unknown, asked - cached - unknown)
            );
            let mut attributed = shape.continuation(0, 7, 1);
            (7..9).for_each(|length| attributed += shape.continuation(length, length + 1, 1));
            assert_eq!(usage.attributed, attributed, "{kind}");
        }
    }
}

#[test]
fn endpoints_share_the_prompts_and_keep_them() {
    for kind in EngineKind::ALL {
        let (one, other) = (good(kind), good(kind));
        let server = Server::connect(&address(kind, &[&one, &other]), settings()).unwrap();
        let vocabulary = saffron_core::PlainVocabulary::shared(VOCAB);
        let asked: Vec<Session> =
            (4..20).map(|token| Session::new(vocabulary.clone(), vec![token, 5]).unwrap()).collect();
        let longer: Vec<Session> = asked.iter().map(|session| session.with_response(vec![8]).unwrap()).collect();
        let mut policy = policy(server);
        let filter = CandidateFilter { top_p: 0.7, ..CandidateFilter::default() };
        for sessions in [&asked, &longer] {
            let found = policy.propose(sessions, &filter).unwrap().value;
            let expected = Local(layout()).propose(sessions, &filter).unwrap().value;
            let tokens = |list: &[saffron_core::Candidates]| -> Vec<Vec<u32>> {
                list.iter().map(|candidates| candidates.tokens().collect()).collect()
            };
            assert_eq!(tokens(&found), tokens(&expected), "{kind}: each answer is that of its own sequence");
        }
        let prompts = |server: &Scripted| -> Vec<Vec<u64>> {
            let field = if kind == EngineKind::Sglang { "input_ids" } else { "prompt" };
            let steps = server.steps().into_iter().skip(1);
            steps
                .map(|seen| seen.body[field].as_array().unwrap().iter().map(|ids| ids[1].as_u64().unwrap()).collect())
                .collect()
        };
        let (first, second) = (prompts(&one), prompts(&other));
        assert_eq!((first.len(), second.len()), (2, 2), "{kind}");
        assert_eq!((&first[0], &second[0]), (&first[1], &second[1]), "{kind}: a prompt stays where it was");
        assert_eq!(first[0].len() + second[0].len(), 16);
        assert!(first[0].len() > 2 && second[0].len() > 2, "{kind}: {first:?}");
    }
}

//! What real engines once said to a reward model that was opened and asked by each route, with
//! SmolLM2-135M and the repository's adapter: the same questions are asked of the recording, and
//! the same rewards found. `scripts/prove_served_mrm.sh --record` makes the recordings anew.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use saffron_core::{
    Candidate, Candidates, ChildReward, Coverage, HeadNotes, MultifurcationRewardModel, PlainVocabulary, RewardHead,
    ServedHead, Session, Token, Unembedding,
};
use saffron_search::remote::{RemoteMrm, RemoteSettings, RewardRoute, RewardSettings, Server, read_head};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::remote::recorded::{Exchange, hand_on};
use crate::remote::scripted::{Reply, Scripted, Seen};
use crate::remote::settings;

const VOCABULARY: usize = 49_152;
/// Candidates of every context, and what the probes are asked about.
const IDS: [Token; 6] = [28, 198, 253, 504, 3_299, 20_404];

/// What an engine said, and what was made of it.
#[derive(Debug, Serialize, Deserialize)]
struct Recording {
    engine: String,
    route: String,
    model: Option<String>,
    notes: HeadNotes,
    /// Rows of the unembedding that are used.
    rows: BTreeMap<Token, Vec<f32>>,
    exchanges: Vec<Exchange>,
    rewards: Vec<Vec<f32>>,
}

impl Recording {
    /// A head without bias and mask, but for the reference.
    fn head(&self) -> ServedHead {
        let mut head = ServedHead::new(RewardHead::neutral(VOCABULARY));
        head.notes = self.notes.clone();
        head.notes.reference.into_iter().for_each(|token| assert!(head.head.unseen.insert(token)));
        if let Some(width) = self.rows.values().next().map(Vec::len) {
            let mut rows = vec![0.0; VOCABULARY * width];
            for (token, row) in &self.rows {
                rows[*token as usize * width..][..width].copy_from_slice(row);
            }
            head.unembedding = Unembedding::new(rows, width);
        }
        head
    }
}

/// The rewards of three contexts.
fn rewards(engine: &str, url: &str, recording: &Recording) -> Vec<Vec<f32>> {
    let model = recording.model.clone();
    // A recording is made on a busy machine.
    let timeout = std::time::Duration::from_mins(1);
    let settings = RemoteSettings { vocab_size: Some(VOCABULARY), model, in_flight: 1, timeout, ..settings() };
    let server = Server::reach(&format!("{engine}:{url}").parse().unwrap(), settings, &mut |_| {}).unwrap();
    let vocabulary = PlainVocabulary::shared(VOCABULARY);
    let layout = recording.notes.layout.as_ref().unwrap().ids.clone();
    // A pooling server refuses completions, and a recording holds what was answered.
    let pooling = (recording.route == "pooling").then_some(RewardRoute::Pooling);
    let mut settings = RewardSettings::default();
    settings.route = pooling;
    let mut mrm = RemoteMrm::on(server, vocabulary.clone(), layout, recording.head(), settings).unwrap();
    assert_eq!(mrm.report().route, recording.route.parse::<RewardRoute>().unwrap());
    assert!(mrm.report().error.unwrap() < 1e-4, "{}", mrm.report());
    let session = |response: &[Token]| {
        let prompt = vec![1_812, 314, 253, 14_891, 47];
        Session::new(vocabulary.clone(), prompt).unwrap().with_response(response.to_vec()).unwrap()
    };
    let ranked = IDS.iter().map(|token| Candidate { token: *token, logprob: -1.0 }).collect();
    let list = Candidates { ranked, mass: 0.9, coverage: Coverage::Full };
    let sessions = [session(&[]), session(&[49, 14_891]), session(&[49])];
    let found = mrm.child_rewards(&sessions, &vec![list; 3]).unwrap().value;
    found.iter().map(|row| row.iter().copied().map(ChildReward::seen).map(Option::unwrap).collect()).collect()
}

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/remote/mrm/");

fn replayed(engine: &str, name: &str) {
    let text = std::fs::read_to_string(format!("{FOLDER}{name}")).unwrap();
    let recording: Recording = serde_json::from_str(&text).unwrap();
    assert!(recording.engine.starts_with(engine), "{}", recording.engine);
    let mut left = recording.exchanges.clone();
    let server = Scripted::serve(move |seen| {
        // Base and adapter are asked at the same time, in any order.
        match left.iter().position(|next| next.path == seen.path && next.asked == seen.body) {
            Some(place) => Reply::Json(left.remove(place).said),
            None => Reply::Status(400, Vec::new(), format!("not recorded: {seen:?}")),
        }
    });
    let found = rewards(engine, &server.url(), &recording);
    for (found, expected) in found.iter().flatten().zip(recording.rewards.iter().flatten()) {
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
    assert_eq!(found.concat().len(), recording.rewards.concat().len());
    assert_eq!(server.seen().len(), recording.exchanges.len(), "nothing else is asked");
}

#[test]
fn vllm_by_logits() {
    replayed("vllm", "vllm_logits.json");
}

#[test]
fn vllm_by_pooling() {
    replayed("vllm", "vllm_pooling.json");
}

#[test]
fn vllm_by_the_reference_token_on_one_server() {
    replayed("vllm", "vllm_reference.json");
}

#[test]
fn llamacpp_by_the_reference_token() {
    replayed("llamacpp", "llamacpp_reference.json");
}

#[test]
#[ignore = "needs a server: scripts/prove_served_mrm.sh --record"]
fn records_served_rewards() {
    let served = std::env::var("SAFFRON_SERVED_MRM").expect("SAFFRON_SERVED_MRM names a server");
    let (engine, upstream) = served.split_once(':').unwrap();
    let whole = read_head(std::env::var("SAFFRON_MRM_HEAD").expect("SAFFRON_MRM_HEAD names a directory")).unwrap();
    let model = std::env::var("SAFFRON_MRM_MODEL").ok().filter(|name| !name.is_empty());
    let exchanges = Arc::new(Mutex::new(Vec::new()));
    let (log, to) = (exchanges.clone(), upstream.to_owned());
    let version = ["/version", "/props"].into_iter().find_map(|path| {
        let said = ureq::get(format!("{upstream}{path}")).call().ok()?.body_mut().read_to_string().ok()?;
        let said: Value = serde_json::from_str(&said).ok()?;
        Some(said.get("version").or(said.get("build_info"))?.as_str()?.to_owned())
    });
    let proxy = Scripted::serve(move |seen: &Seen| {
        let said = hand_on(&to, seen);
        log.lock().unwrap().push(Exchange { path: seen.path.clone(), asked: seen.body.clone(), said: said.clone() });
        Reply::Json(said)
    });
    let mut notes = whole.notes.clone();
    for probe in &mut notes.probes {
        let known: BTreeMap<Token, f32> = probe.ids.iter().copied().zip(probe.logits.iter().copied()).take(4).collect();
        probe.ids = known.keys().copied().collect();
        probe.logits = known.values().copied().collect();
    }
    let used = IDS.iter().copied().chain(notes.probes.iter().flat_map(|probe| probe.ids.clone()));
    let row = |token: Token| {
        let unembedding = whole.unembedding.as_ref()?;
        Some((token, unembedding.rows()[token as usize * unembedding.width()..][..unembedding.width()].to_vec()))
    };
    let rows: BTreeMap<Token, Vec<f32>> = used.filter_map(row).collect();
    let route = match (engine, whole.unembedding.is_some(), notes.reference) {
        (_, true, _) => "pooling",
        (_, _, Some(_)) => "reference",
        _ => "logits",
    };
    let engine_version = format!("{engine} {}", version.unwrap_or_default());
    let (route, exchanged, none) = (route.to_owned(), Vec::new(), Vec::new());
    let mut recording =
        Recording { engine: engine_version, route, model, notes, rows, exchanges: exchanged, rewards: none };
    recording.rewards = rewards(engine, &proxy.url(), &recording);
    recording.exchanges = exchanges.lock().unwrap().clone();
    recording.exchanges.iter_mut().for_each(|exchange| without_folders(&mut exchange.said));
    let name = format!("{engine}_{}.json", recording.route);
    std::fs::write(format!("{FOLDER}{name}"), serde_json::to_string(&recording).unwrap() + "\n").unwrap();
}

/// Leaves of the paths of models, which servers tell, their last names.
fn without_folders(said: &mut Value) {
    match said {
        Value::Array(values) => values.iter_mut().for_each(without_folders),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(path) if name == "root" => {
                        *path = path.rsplit('/').next().unwrap_or_default().to_owned();
                    }
                    other => without_folders(other),
                }
            }
        }
        _ => {}
    }
}

//! Sixty-four clients at once, some of whom go away: every answer is the one its request gets alone.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use burn::tensor::Device;
use clap::Parser;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use saffron_core::{Candidates, ChildReward, Level, NodeId, Outcome, Policy, SearchObserver, Session, TextPolicy};
use saffron_examples::serve::{ConversationLayout, ServeArgs, Server};
use saffron_mrm::text::TextLayout;
use saffron_mrm::{LmPolicy, Mrm};
use saffron_search::serve::Prompt;
use saffron_search::{Saffron, Searcher};
use serde_json::{Value, json};
use tokio::sync::oneshot;

const CLIENTS: u64 = 64;
/// Kinds of requests.
const KINDS: usize = 48;
/// Bytes by which resident memory may grow from the first half to the second.
const SLACK: u64 = 48 << 20;
/// Decisions by less may be others in another batch: float noise.
const NOISE: f32 = 1e-4;
const TOP_P: f32 = 0.9;

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    serve: ServeArgs,
}

fn server() -> Server {
    let demo = crate::root().join("examples/demo");
    let path = |name: &str| demo.join(name).display().to_string();
    let (policy, mrm) = (path("policy"), path("mrm"));
    let models = ["serve", "--policy", &policy, "--guard", &policy, "--mrm", &mrm, "--layout", "chatml"];
    let search = [
        "--width",
        "2",
        "--top-p",
        "0.9",
        "--min-width",
        "1",
        "--max-width",
        "4",
        "--max-new-tokens",
        "48",
        "--port",
        "0",
    ];
    let limits = ["--running", "16", "--queued", "24", "--deadline", "600", "--model-name", "demo"];
    let args = Args::parse_from([&models[..], &search, &limits].concat());
    Server::bind(args.serve.open().unwrap(), args.serve.address()).unwrap()
}

/// Requests that differ in what is asked, how, and by how wide a search.
fn kinds() -> Vec<Value> {
    let file = std::fs::read_to_string(crate::root().join("examples/demo/prompts/test_mischief.jsonl")).unwrap();
    let lines: Vec<Value> = file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kind = |place: usize| {
        let line = &lines[place / 2];
        let mut messages = vec![json!({ "role": "user", "content": line["prompt"] })];
        if place.is_multiple_of(2) {
            let reply = line["reply"].as_str().unwrap();
            messages.push(json!({ "role": "assistant", "content": &reply[..=reply.find(':').unwrap()] }));
        }
        json!({
            "model": "demo",
            "messages": messages,
            "max_tokens": 16 + place % 32,
            "stream": place.is_multiple_of(3),
            "saffron": { "width": 1 + place % 4 },
        })
    };
    (0..KINDS).map(kind).collect()
}

/// Asks; the status and the text of the answer. Goes away after so many bytes, if there are any
/// given.
fn ask(address: SocketAddr, body: &Value, away: Option<usize>) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(300))).unwrap();
    let body = body.to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = Vec::new();
    match away {
        Some(bytes) => {
            stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            let _ = stream.take(bytes as u64).read_to_end(&mut answer);
            return None;
        }
        None => stream.read_to_end(&mut answer).unwrap(),
    };
    let text = String::from_utf8(answer).unwrap();
    let (head, rest) = text.split_once("\r\n\r\n").unwrap();
    let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
    let said = match status {
        200 if head.to_lowercase().contains("text/event-stream") => {
            assert!(rest.contains("data: [DONE]"), "a stream that broke off: {rest}");
            rest.lines().filter_map(|line| line.strip_prefix("data: {")).map(piece).collect()
        }
        200 => whole(rest),
        _ => String::new(),
    };
    Some((status, said))
}

fn piece(line: &str) -> String {
    let event: Value = serde_json::from_str(&format!("{{{line}")).unwrap();
    assert!(event.get("error").is_none(), "{event}");
    event["choices"][0]["delta"]["content"].as_str().unwrap_or_default().to_owned()
}

fn whole(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap();
    body["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

/// The models, and the demo's layout of conversations.
fn models() -> (LmPolicy, Mrm) {
    let demo = crate::root().join("examples/demo");
    let mut policy = LmPolicy::open(demo.join("policy"), &Device::flex()).unwrap();
    let tokenizer = policy.tokenizer().clone();
    let words = TextLayout::named("chatml", &tokenizer).unwrap();
    policy.set_layout(ConversationLayout::of_policy(&words, &tokenizer, false).unwrap());
    let mrm = Mrm::open(demo.join("policy"), demo.join("mrm"), &Device::flex()).unwrap();
    (policy, mrm.with_layout(ConversationLayout::of_reward_model(&words)))
}

/// By how much the closest decision of a search was taken: which candidates there are, which stay
/// in the beam, which one is the answer.
struct Margin {
    width: usize,
    rewards: Vec<f32>,
    least: f32,
}

impl Margin {
    /// The gap behind the first so many of all rewards.
    fn cut(&mut self, kept: usize) {
        self.rewards.sort_by(|one, other| other.total_cmp(one));
        if let [.., last, next] = self.rewards[..self.rewards.len().min(kept + 1)]
            && self.rewards.len() > kept
        {
            self.least = self.least.min(last - next);
        }
        self.rewards.clear();
    }
}

impl SearchObserver for Margin {
    fn on_propose(&mut self, _node: NodeId, candidates: &Candidates) {
        let last = candidates.ranked.last().map_or(0.0, |last| last.logprob.exp());
        self.least = self.least.min((candidates.mass - TOP_P).abs()).min((candidates.mass - last - TOP_P).abs());
    }

    fn on_score(&mut self, _node: NodeId, _candidates: &Candidates, rewards: &[ChildReward]) {
        self.rewards.extend(rewards.iter().filter_map(|reward| reward.seen()));
    }

    fn on_level(&mut self, _level: &Level) -> ControlFlow<()> {
        self.cut(self.width);
        ControlFlow::Continue(())
    }

    fn on_finish(&mut self, outcome: &Outcome) {
        self.rewards = outcome.beam.iter().filter_map(|found| found.reward).collect();
        self.cut(1);
    }
}

/// The margin of a kind, and the text of its answer, by a search of its own.
fn searched(kind: &Value, policy: &mut LmPolicy, mrm: &mut Mrm) -> (f32, String) {
    let width = kind["saffron"]["width"].as_u64().unwrap() as usize;
    let tokens = kind["max_tokens"].as_u64().unwrap() as usize;
    let question = kind["messages"][0]["content"].as_str().unwrap();
    let prompt = Prompt::Chat { before: Vec::new(), question: question.to_owned() };
    let session =
        Session::of_text(policy.vocabulary(), prompt.session_text(), policy.encode(question).unwrap()).unwrap();
    let session = match kind["messages"][1]["content"].as_str() {
        Some(prefill) => session.with_prefill_text(prefill, policy.encode(prefill).unwrap()).unwrap(),
        None => session,
    };
    let searcher = Searcher::new(Saffron::paper(width)).top_p(TOP_P).max_new_tokens(tokens);
    let mut margin = Margin { width, rewards: Vec::new(), least: f32::INFINITY };
    let outcome = searcher.run_observed(&session, policy, mrm, &mut margin).unwrap();
    (margin.least, policy.text(&outcome.best).unwrap())
}

/// What all clients have seen.
#[derive(Default)]
struct Seen {
    answered: AtomicUsize,
    away: AtomicUsize,
    busy: AtomicUsize,
    seconds: Mutex<Vec<f64>>,
    /// Other answers than alone, by kind.
    others: Mutex<HashMap<usize, String>>,
}

fn client(seed: u64, address: SocketAddr, kinds: &[Value], alone: &[String], until: Instant, seen: &Seen) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    while Instant::now() < until {
        let kind = rng.next_u32() as usize % KINDS;
        let away = rng.next_u32().is_multiple_of(6).then(|| rng.next_u32() as usize % 600);
        let begun = Instant::now();
        match ask(address, &kinds[kind], away) {
            None => drop(seen.away.fetch_add(1, Ordering::Relaxed)),
            Some((200, text)) => {
                seen.answered.fetch_add(1, Ordering::Relaxed);
                seen.seconds.lock().unwrap().push(begun.elapsed().as_secs_f64());
                if text != alone[kind] {
                    seen.others.lock().unwrap().insert(kind, text);
                }
            }
            Some((429, _)) => {
                seen.busy.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(100));
            }
            Some((status, _)) => panic!("status {status} for {}", kinds[kind]),
        }
    }
}

/// Resident memory of this process in bytes, where the system tells.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

fn median(values: &mut [u64]) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn seconds() -> u64 {
    std::env::var("SAFFRON_SERVE_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(20)
}

#[test]
#[ignore = "takes SAFFRON_SERVE_SECONDS, by default 20: cargo test --workspace --test slow -- --ignored --nocapture sixty_four"]
#[allow(clippy::print_stderr, reason = "figures for whoever runs it")]
fn sixty_four_clients_get_the_answers_that_their_requests_get_alone() {
    let server = server();
    let address = server.address().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = std::thread::spawn(move || server.run(async { drop(stopped.await) }));
    let kinds = kinds();
    let begun = Instant::now();
    let alone: Vec<String> = kinds.iter().map(|kind| ask(address, kind, None).unwrap().1).collect();
    let alone_seconds = begun.elapsed().as_secs_f64();
    let (mut policy, mut mrm) = models();
    let own: Vec<(f32, String)> = kinds.iter().map(|kind| searched(kind, &mut policy, &mut mrm)).collect();
    let close = |kind: usize| own[kind].0 < NOISE;
    let apart = (0..KINDS).filter(|kind| own[*kind].1 != alone[*kind]);
    assert!(apart.clone().all(close), "the server answers otherwise than a search: {:?}", apart.collect::<Vec<_>>());
    let ties = (0..KINDS).filter(|kind| close(*kind)).count();
    assert!(ties < KINDS / 2, "{ties}");
    let distinct: std::collections::HashSet<&String> = alone.iter().collect();
    assert!(distinct.len() > KINDS / 3, "answers that hardly differ prove nothing: {}", distinct.len());
    let (seen, mut memory) = (Seen::default(), Vec::new());
    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds());
    std::thread::scope(|scope| {
        for seed in 0..CLIENTS {
            let (kinds, alone, seen) = (&kinds, &alone, &seen);
            scope.spawn(move || client(seed, address, kinds, alone, until, seen));
        }
        while Instant::now() < until {
            std::thread::sleep(Duration::from_millis(200));
            memory.extend(resident());
        }
    });
    let took = begun.elapsed().as_secs_f64();
    drop(stop);
    thread.join().unwrap().unwrap();
    let Seen { answered, away, busy, seconds, others } = seen;
    let (answered, away, busy) = (answered.into_inner(), away.into_inner(), busy.into_inner());
    let (mut seconds, others) = (seconds.into_inner().unwrap(), others.into_inner().unwrap());
    seconds.sort_by(f64::total_cmp);
    let at = |share: f64| seconds[((seconds.len() - 1) as f64 * share) as usize];
    eprintln!("{answered} answered, {away} went away, {busy} were told that the server is busy, in {took:.1} s");
    eprintln!("p50 {:.3} s, p95 {:.3} s; {:.2} answers a second", at(0.5), at(0.95), answered as f64 / took);
    eprintln!("alone, one at a time: {:.2} answers a second", KINDS as f64 / alone_seconds);
    eprintln!(
        "{} of {KINDS} kinds had another answer at some time: {:?}; {ties} have a decision within {NOISE}",
        others.len(),
        others.keys()
    );
    let half = memory.len() / 2;
    let (early, late) = (median(&mut memory[half / 2..half].to_vec()), median(&mut memory[half..].to_vec()));
    eprintln!("resident: {} MiB, then {} MiB", early >> 20, late >> 20);
    assert!(answered > 0 && away > 0 && busy > 0);
    for (kind, other) in &others {
        assert!(close(*kind), "{} {other:?} for {:?}", kinds[*kind], alone[*kind]);
        // An answer that was mixed up is one that another question has alone.
        let mut elsewhere = alone.iter().enumerate().filter(|(place, _)| place / 2 != kind / 2);
        assert!(!elsewhere.any(|(_, text)| text == other), "{}", kinds[*kind]);
    }
    assert!(late <= early + SLACK, "resident memory grew from {early} to {late} bytes");
}

//! The example `in_a_server` and what it is made of.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use burn::tensor::Device;
use saffron_core::{
    CandidateFilter, Candidates, ModelError, NoReward, Policy, Reply as ModelReply, Session, StopReason, Token,
    Vocabulary,
};
use saffron_examples::server::{Reply, ask};
use saffron_mrm::LmPolicy;
use saffron_search::scheduler::{Limits, Load, Scheduler};
use saffron_search::{Greedy, Searcher};
use tokio::runtime::{Builder, Runtime};

use crate::programs::{example, run, text};

#[test]
fn every_client_is_answered_busy_or_late_and_none_is_lost() {
    let dir = crate::fixtures().join("tiny-b");
    let serve = |arguments: &[&str]| {
        let mut program = example("in_a_server");
        program.arg("--policy").arg(dir.join("policy")).arg("--mrm").arg(dir.join("mrm"));
        program.args(["--layout", "plain", "--prompt", "one question", "--prompt", "another"]);
        let output = run(program.args(["--clients", "9", "--max-new-tokens", "6"]).args(arguments));
        assert!(output.status.success(), "{}", text(&output.stderr));
        let lines: Vec<String> = text(&output.stdout).lines().map(ToOwned::to_owned).collect();
        assert!(lines.len() == 9 && (0..9).all(|place| lines[place].starts_with(&format!("client {place}"))));
        lines
    };
    let answered = serve(&["--queued", "9"]);
    assert!(answered.iter().all(|line| line.contains(": \"")), "{answered:?}");
    let pressed = serve(&["--running", "1", "--queued", "1"]);
    let busy = |line: &&String| line.ends_with("the server is busy");
    for (line, answer) in pressed.iter().zip(&answered) {
        assert!(busy(&line) || line == answer, "{line} for {answer}");
    }
    assert!(
        serve(&["--deadline", "0", "--queued", "9"])
            .iter()
            .all(|line| line.ends_with("was late") || line.contains(": \""))
    );
}

#[test]
fn limits_that_cannot_be_worked_with_are_told() {
    let dir = crate::fixtures().join("tiny-b");
    let mut program = example("in_a_server");
    program.arg("--policy").arg(dir.join("policy")).arg("--mrm").arg(dir.join("mrm"));
    let output = run(program.args(["--layout", "plain", "--prompt", "one question", "--queued", "0"]));
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("queued must lie between 1 and 65536, found 0"), "{}", text(&output.stderr));
}

/// A policy that answers when it is allowed to, or when nobody forbids it any more.
struct Gated(LmPolicy, Receiver<()>);

impl Policy for Gated {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.0.vocabulary()
    }

    fn end_tokens(&self) -> Vec<Token> {
        self.0.end_tokens()
    }

    fn propose(&mut self, s: &[Session], f: &CandidateFilter) -> Result<ModelReply<Vec<Candidates>>, ModelError> {
        // A test that fails does not hang.
        let _ = self.1.recv_timeout(Duration::from_secs(30));
        self.0.propose(s, f)
    }
}

fn gated() -> (Arc<Scheduler>, Sender<()>, Runtime) {
    let (gate, permits) = channel();
    let policy = LmPolicy::open(crate::fixtures().join("tiny-b/policy"), &Device::flex()).unwrap();
    let limits = Limits { running: 1, queued: 1 };
    let scheduler = Scheduler::with_limits(Gated(policy, permits), NoReward, limits).unwrap();
    (Arc::new(scheduler), gate, Builder::new_current_thread().enable_time().build().unwrap())
}

fn greedy() -> Searcher {
    Searcher::new(Greedy).filter(CandidateFilter::default()).min_new_tokens(6).max_new_tokens(6)
}

async fn wait_for(scheduler: &Scheduler, load: Load) {
    let reached = async {
        while scheduler.load() != load {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    // More than one call behind a closed gate, less than a whole search of them.
    let reached = tokio::time::timeout(Duration::from_secs(60), reached).await;
    assert!(reached.is_ok(), "{:?} in place of {load:?}", scheduler.load());
}

#[test]
fn a_deadline_ends_a_search_with_what_it_has_and_a_full_queue_is_busy() {
    let (scheduler, gate, runtime) = gated();
    let client = |most| {
        let answer = ask(scheduler.clone(), greedy(), String::from("one question"), Duration::from_millis(most));
        runtime.spawn(answer)
    };
    runtime.block_on(async {
        let first = client(500);
        wait_for(&scheduler, Load { running: 1, queued: 0 }).await;
        let second = client(2_000);
        wait_for(&scheduler, Load { running: 1, queued: 1 }).await;
        assert!(matches!(client(60_000).await.unwrap().unwrap(), Reply::Busy));
        assert!(matches!(second.await.unwrap().unwrap(), Reply::Late(None)), "it had not begun");
        drop(gate);
        match first.await.unwrap().unwrap() {
            Reply::Late(Some(outcome)) => {
                assert_eq!((outcome.stop, outcome.best.tokens.len()), (StopReason::Cancelled, 1));
            }
            other => panic!("{other:?}"),
        }
        match client(60_000).await.unwrap().unwrap() {
            Reply::Answer(outcome) => assert_eq!(outcome.stop, StopReason::MaxNewTokens),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_client_that_goes_away_takes_its_search_along() {
    let (scheduler, gate, runtime) = gated();
    runtime.block_on(async {
        let prompt = String::from("one question");
        let client = runtime.spawn(ask(scheduler.clone(), greedy(), prompt, Duration::from_secs(60)));
        wait_for(&scheduler, Load { running: 1, queued: 0 }).await;
        client.abort();
        assert!(client.await.unwrap_err().is_cancelled());
        // One call is let through; a search that went on would need six.
        gate.send(()).unwrap();
        wait_for(&scheduler, Load { running: 0, queued: 0 }).await;
    });
}

#[test]
fn a_prompt_without_words_is_an_error_of_its_client() {
    let (scheduler, _gate, runtime) = gated();
    let error = runtime.block_on(ask(scheduler, greedy(), String::new(), Duration::from_secs(60))).unwrap_err();
    assert!(error.to_string().contains("the prompt is empty"), "{error}");
}

#[test]
fn the_guide_shows_the_code_of_the_example() {
    let read = |path: &str| std::fs::read_to_string(crate::root().join(path)).unwrap();
    let (guide, source) = (read("docs/in-a-server.md"), read("examples/src/server.rs"));
    for item in ["pub async fn ask(", "fn is_full(", "impl Drop for CancelOnDrop {"] {
        let begun = source.find(item).unwrap();
        let length = source[begun..].find("\n}\n").unwrap();
        assert!(guide.contains(&source[begun..begun + length]), "{item}");
    }
}

//! The examples that search, as programs: what they print and write.

use std::path::Path;

use serde_json::Value;

use crate::programs::{example, run, text};

/// Runs an example on tiny models and gives what it printed.
fn printed(name: &str, rewards: &[&str], arguments: &[&str]) -> String {
    let dir = crate::fixtures().join("tiny-b");
    let mut command = example(name);
    command.arg("--policy").arg(dir.join("policy")).args(["--layout", "plain"]);
    for reward in rewards {
        command.arg(format!("--{reward}")).arg(dir.join(reward));
    }
    let output = run(command.args(arguments));
    assert!(output.status.success(), "{name}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The number at the beginning of a text.
fn number(text: &str) -> f64 {
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{text:?}"))
}

#[test]
fn best_of_n_keeps_the_sample_of_highest_reward() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("out.json");
    let flags =
        ["--prompt", "one question", "--samples", "6", "--max-new-tokens", "5", "--json", path.to_str().unwrap()];
    for rewards in [&["mrm"][..], &["guard"]] {
        let printed = printed("best_of_n", rewards, &flags);
        let written = json(&path);
        let samples = written["outcome"]["beam"].as_array().unwrap();
        let rewards: Vec<f64> = samples.iter().filter_map(|sample| sample["reward"].as_f64()).collect();
        let best = rewards.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        assert_eq!((samples.len(), written["outcome"]["best"]["reward"].as_f64()), (6, Some(best)));
        let starred: Vec<&str> = printed.lines().filter_map(|line| line.strip_prefix("* ")).collect();
        assert_eq!(starred.len(), 1, "{printed}");
        assert!((number(starred[0]) - best).abs() < 1e-3, "{printed}");
    }
}

#[test]
fn best_of_n_judges_by_the_thresholds_given_and_refuses_if_told_to() {
    let flags = ["--prompt", "one question", "--max-new-tokens", "4"];
    let refusing = ["--safe-from", "100", "--unsafe-below", "100", "--refuse", "Rather not."];
    let refused = printed("best_of_n", &["guard"], &[&flags[..], &refusing].concat());
    assert!(refused.contains("reply:   \"Rather not.\"") && refused.contains("verdict: unsafe"), "{refused}");
    let lenient =
        printed("best_of_n", &["guard"], &[&flags[..], &["--safe-from", "-100", "--unsafe-below", "-100"]].concat());
    assert!(lenient.contains("verdict: safe") && !lenient.contains("Rather not."), "{lenient}");
}

#[test]
fn best_of_n_counts_every_profiled_model_anew() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("out.json");
    let flags =
        ["--prompt", "one question", "--max-new-tokens", "4", "--profiled", "3", "--json", path.to_str().unwrap()];
    printed("best_of_n", &["mrm"], &flags);
    let (written, flops) = (json(&path), |role: &Value| role["attributed"]["flops"].as_u64().unwrap());
    let usage = &written["outcome"]["usage"];
    assert_eq!(written["profiler_style_flops"], 3 * (flops(&usage["policy"]) + flops(&usage["reward"])));
}

#[test]
fn a_strategy_of_ones_own_runs_beside_those_of_the_library() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("out.json");
    let flags = ["--prompt", "one question", "--max-new-tokens", "8", "--json", path.to_str().unwrap()];
    let printed = printed("custom_strategy", &["mrm"], &flags);
    for name in ["greedy  ", "reject and resample  ", "saffron  "] {
        assert_eq!(printed.lines().filter(|line| line.starts_with(name)).count(), 1, "{name}: {printed}");
    }
    let written = json(&path);
    let calls = |place: usize, role: &str| written[place]["outcome"]["usage"][role]["calls"].as_u64().unwrap();
    assert_eq!(calls(0, "reward"), 1, "greedy decoding asks for the verdict alone");
    assert!(calls(1, "policy") > calls(0, "policy"), "draws are paid for");
    assert!(written[1]["outcome"]["strategy"].as_str().unwrap().starts_with("reject and resample (bar 0, 4 draws"));
}

#[test]
fn rewards_of_ones_own_guide_the_same_search() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("out.json");
    let flags =
        ["--prompt", "one question", "--max-new-tokens", "8", "--words", "t,s,l", "--json", path.to_str().unwrap()];
    let heavy = [&flags[..], &["--weight", "100"]].concat();
    printed("custom_reward", &["mrm"], &heavy);
    let written = json(&path);
    let strategies: Vec<&Value> = (0..4).map(|place| &written[place]["outcome"]["strategy"]).collect();
    assert!(strategies.iter().all(|strategy| strategy == &strategies[0]), "{strategies:?}");
    let listed = |place: usize| {
        let text = written[place]["text"].as_str().unwrap().to_lowercase();
        text.chars().filter(|letter| "tsl".contains(*letter)).count()
    };
    assert!(listed(1) <= listed(2) && listed(3) <= listed(2), "the list avoids its words: {written}");
    let flops = |place: usize| written[place]["outcome"]["usage"]["reward"]["attributed"]["flops"].as_u64().unwrap();
    assert_eq!((flops(0), flops(1)), (0, 0), "what asks no model is free");
    assert!(flops(2) > 0 && flops(3) > 0);
}

#[test]
fn a_trace_is_shown_level_by_level_and_a_recording_leads_to_the_same_beam() {
    let out = tempfile::tempdir().unwrap();
    let (trace, recording) = (out.path().join("trace.jsonl"), out.path().join("recording.jsonl"));
    let files = ["--trace", trace.to_str().unwrap(), "--recording", recording.to_str().unwrap()];
    let flags = [&["--prompt", "one question", "--max-new-tokens", "5", "--width", "3"][..], &files].concat();
    let printed = printed("observe_trace", &["mrm"], &flags);
    let levels: Vec<&str> = printed.lines().filter(|line| line.starts_with("level ")).collect();
    assert_eq!(levels, ["level 0", "level 1", "level 2", "level 3", "level 4", "level 5"]);
    assert!(printed.contains("the recording alone leads to the same beam of 3"), "{printed}");
    let lines = |path: &Path| std::fs::read_to_string(path).unwrap().lines().map(String::from).collect::<Vec<_>>();
    assert!(
        lines(&trace)[0].starts_with("{\"event\":\"start\"")
            && lines(&recording)[0].starts_with("{\"record\":\"models\"")
    );
}

#[test]
fn an_observer_that_has_seen_enough_ends_the_search() {
    let flags = ["--prompt", "one question", "--max-new-tokens", "9", "--stop-at", "-1000"];
    let printed = printed("observe_trace", &["mrm"], &flags);
    assert!(printed.contains("level 1") && !printed.contains("level 2"), "{printed}");
    assert!(printed.contains("ended: stopped by an observer"), "{printed}");
    assert!(printed.contains("the recording alone leads to the same beam"), "{printed}");
}

#[test]
fn a_tree_drawn_live_and_one_drawn_from_a_trace_are_the_same() {
    let out = tempfile::tempdir().unwrap();
    let path = |name: &str| out.path().join(name).display().to_string();
    let asked = ["--prompt", "one question", "--max-new-tokens", "6", "--width", "3"];
    printed("observe_trace", &["mrm"], &[&asked[..], &["--trace", &path("trace.jsonl")]].concat());
    let live =
        printed("search_tree", &["mrm"], &[&asked[..], &["--html", &path("a.html"), "--dot", &path("a.dot")]].concat());
    let files = ["--trace", &path("trace.jsonl"), "--html", &path("b.html"), "--dot", &path("b.dot")];
    assert_eq!(live, printed("search_tree", &[], &files));
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    assert_eq!((read("a.html"), read("a.dot")), (read("b.html"), read("b.dot")));
    let page = read("a.html");
    assert!(
        page.starts_with("<!doctype html>") && page.contains("one question") && !page.contains("http://"),
        "{page}"
    );
    assert!(live.contains(" was passed over: reward "), "{live}");
}

#[test]
fn what_cannot_be_run_ends_with_a_sentence() {
    let cases: [(&str, &[&str], &str); 6] = [
        ("best_of_n", &["--prompt", "x"], "something must reward: --mrm, or --guard alone"),
        ("best_of_n", &["--prompt", "x", "--safe-from", "0", "--unsafe-below", "1"], "must not lie above safe_from"),
        ("custom_strategy", &["--prompt", "x", "--draws", "0"], "something must reward"),
        ("custom_reward", &["--prompt", "x", "--words", "a"], "needs --mrm"),
        ("search_tree", &["--prompt", "x"], "--html"),
        ("search_tree", &["--trace", "/nowhere.jsonl", "--dot", "/tmp/x.dot"], "opening /nowhere.jsonl"),
    ];
    let policy = crate::fixtures().join("tiny-b/policy");
    for (name, arguments, says) in cases {
        let output = run(example(name).arg("--policy").arg(&policy).args(["--layout", "plain"]).args(arguments));
        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains(says), "{name} {arguments:?}: {error}");
        assert!(!error.contains("panicked"), "{error}");
    }
}

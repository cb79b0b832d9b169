//! Policies, guards and judges behind a server.

use std::path::Path;
use std::process::Command;

use super::llama_cpp::{KEY, LlamaCpp};
use super::{
    QUESTION, answers, compare, config, example, fixture, manifest, prompts, records, refusal, run, succeed, text,
};

/// The command with the key in its environment.
fn keyed(command: &mut Command) -> &mut Command {
    command.env("SAFFRON_API_KEY", KEY)
}

/// A search that a local reward model and one that a served guard guide, judged by the served
/// guard.
fn more(server: &str) -> String {
    let (base, adapter) = (fixture("tiny-b/guard"), fixture("tiny-b/mrm"));
    let guard = format!("model = \"{server}\", question = {QUESTION}");
    format!(
        r#"[[rewards]]
name = "mrm"
model = {{ kind = "mrm", base = "{base}", adapter = "{adapter}" }}

[[rewards]]
name = "guard"
model = {{ kind = "guard", {guard} }}

[[judges]]
name = "served"
judge = {{ kind = "guard", guard = {{ {guard} }} }}

[[strategies]]
name = "saffron"
strategy = {{ kind = "saffron", preset = "paper" }}
reward = "mrm"
budgets = [2]

[[strategies]]
name = "best-of-n"
strategy = {{ kind = "best-of-n" }}
reward = "guard"
budgets = [2]
"#
    )
}

fn holds(dir: &Path, secret: &str) -> bool {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files
        .map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned())
        .any(|file| file.contains(secret))
}

#[test]
fn compare_runs_on_a_served_policy_with_a_served_guard_and_judge() {
    let (server, dir) = (LlamaCpp::serve(), tempfile::tempdir().unwrap());
    let name = server.name();
    let tokenizer = fixture("tiny-b/policy");
    let policy =
        format!("model = \"{name}\"\nlayout = \"plain\"\nserved = {{ tokenizer = \"{tokenizer}\", top = 32 }}");
    let (file, out) = (config(dir.path(), &policy, &more(&name)), dir.path().join("run"));
    succeed(keyed(&mut compare(&file, &out)));
    assert_eq!(answers(&out).len(), 9);
    for record in records(&out) {
        let judged = record["ending"]["answered"]["judgements"].as_array().unwrap();
        assert!(judged.iter().any(|judged| judged["judge"] == "served" && judged["score"].is_f64()), "{record}");
    }
    let manifest = manifest(&out);
    assert_eq!(manifest["fingerprints"][&name], "llamacpp b1-one serving tiny.gguf");
    assert!(!holds(&out, KEY), "the key is written nowhere");
    // It goes on with the same server, with nothing left to do, and with no other.
    let steps = server.steps();
    succeed(keyed(&mut compare(&file, &out)));
    assert!(server.steps() <= steps + 3, "nothing but a look at who is there");
    server.rebuild("b2-two");
    let output = run(keyed(&mut compare(&file, &out)));
    let error = text(&output.stderr);
    assert!(!output.status.success() && error.contains("b2-two") && error.contains("b1-one"), "{error}");
    let error = refusal(&file, &out);
    assert!(error.contains("401"), "{error}");
}

#[test]
fn a_served_policy_needs_no_tokenizer_of_its_own() {
    let (server, dir) = (LlamaCpp::serve(), tempfile::tempdir().unwrap());
    let name = server.name();
    let (file, out) = (config(dir.path(), &format!("model = \"{name}\""), &more(&name)), dir.path().join("run"));
    // A multifurcation reward model of another vocabulary cannot look its rewards up; greedy
    // decoding and the guard can.
    let text_of = std::fs::read_to_string(&file).unwrap();
    let start = text_of.find("[[strategies]]\nname = \"saffron\"").unwrap();
    let end = text_of.find("[[strategies]]\nname = \"best-of-n\"").unwrap();
    std::fs::write(&file, format!("{}{}", &text_of[..start], &text_of[end..])).unwrap();
    succeed(keyed(&mut compare(&file, &out)));
    assert_eq!(answers(&out).len(), 6);
}

#[test]
fn what_a_server_cannot_do_is_said() {
    let (server, dir) = (LlamaCpp::serve(), tempfile::tempdir().unwrap());
    let name = server.name();
    let local = format!("model = \"{}\"\nlayout = \"plain\"", fixture("tiny-b/policy"));
    let judge =
        |guard: &str| format!("[[judges]]\nname = \"served\"\njudge = {{ kind = \"guard\", guard = {{ {guard} }} }}\n");
    let mrm = format!(
        "[[rewards]]\nname = \"mrm\"\nmodel = {{ kind = \"mrm\", base = \"{name}\", adapter = \"{}\" }}\n",
        fixture("tiny-b/mrm")
    );
    let cases = [
        (local.clone(), judge(&format!("model = \"{name}\"")), "is a server: set `question`"),
        (
            local.clone(),
            judge(&format!("model = \"{name}\", question = {QUESTION}, adapter = \"x\"")),
            "an adapter is put on",
        ),
        (local.clone(), mrm, "reward_head.safetensors: cannot be read"),
        (format!("model = \"{name}\"\nlayout = \"chatml\""), String::new(), "needs the tokenizer"),
        (format!("{local}\nserved = {{ top = 3 }}"), String::new(), "are for servers"),
        (String::from("model = \"vllm:nowhere\""), String::new(), "must begin with http://"),
        (String::from("model = \"../nothing\""), String::new(), "neither a file or directory here"),
    ];
    for (policy, more, says) in cases {
        let file = config(dir.path(), &policy, &more);
        let output = run(keyed(&mut compare(&file, &dir.path().join("run"))));
        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains(says), "{says}: {error}");
        assert!(!error.contains("panicked") && !error.contains(KEY), "{error}");
    }
}

#[test]
fn label_takes_a_served_guard_and_a_served_policy() {
    let (server, dir) = (LlamaCpp::serve(), tempfile::tempdir().unwrap());
    let (name, prompts) = (server.name(), prompts());
    let file = dir.path().join("label.toml");
    let config = format!(
        "[corpus.data]\nname = \"asked\"\npath = \"{prompts}\"\nformat = \"prompts\"\nlimit = 3\n\n[corpus.sampled]\n\
         policy = {{ model = \"{name}\" }}\nmax_new_tokens = 4\n\n[guard]\nbase = \"{name}\"\nquestion = {QUESTION}\n"
    );
    std::fs::write(&file, config).unwrap();
    let out = dir.path().join("run");
    let mut label = example("label");
    label.arg("--config").arg(&file).arg("--out").arg(&out);
    succeed(keyed(&mut label));
    let labels = std::fs::read_to_string(out.join("labels.jsonl")).unwrap();
    assert_eq!(labels.lines().count(), 3);
    assert_eq!(manifest(&out)["fingerprints"][&name], "llamacpp b1-one serving tiny.gguf");
    assert!(!holds(&out, KEY));
}

#[test]
fn a_system_prompt_reaches_the_servers_own_template() {
    let server = LlamaCpp::serve();
    let asked = |system: &[&str]| {
        let mut decode = example("decode");
        decode.args(["--policy", &server.name(), "--prompt", "hello", "--max-new-tokens", "3"]).args(system);
        text(&succeed(keyed(&mut decode)).stdout)
    };
    let tokens = |told: &str| {
        let before = told.split(" tokens asked for").next().unwrap();
        before.rsplit(' ').next().unwrap().parse::<usize>().unwrap()
    };
    // One token a byte: "S Be brief. " before each of the prompts that are asked.
    let (plain, told) = (asked(&[]), asked(&["--system", "Be brief."]));
    assert!(tokens(&told) > tokens(&plain), "{plain} and {told}");
}

#[test]
fn decode_says_who_served_the_policy() {
    let (server, dir) = (LlamaCpp::serve(), tempfile::tempdir().unwrap());
    let json = dir.path().join("out.json");
    let mut decode = example("decode");
    decode.args(["--policy", &server.name(), "--prompt", "hello", "--max-new-tokens", "3", "--json"]).arg(&json);
    succeed(keyed(&mut decode));
    let written: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(written["models"][server.name()], "llamacpp b1-one serving tiny.gguf");
}

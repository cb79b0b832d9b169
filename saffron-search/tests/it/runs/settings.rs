//! A run goes on with its own settings only, and no secret is written.

use saffron_search::eval::runs::{Manifest, RunDir, RunError, SecretError, Shard, read};
use serde_json::{Value, json};

use super::manifest;

/// Why a run that was begun with some settings refuses others.
fn refusal(begun: Manifest, now: Manifest) -> String {
    let dir = tempfile::tempdir().unwrap();
    drop(RunDir::open(dir.path(), begun.clone()).unwrap());
    let before = std::fs::read(dir.path().join("manifest.json")).unwrap();
    let error = RunDir::open(dir.path(), now).unwrap_err();
    assert!(matches!(error, RunError::OtherSettings { .. }), "{error}");
    assert_eq!(std::fs::read(dir.path().join("manifest.json")).unwrap(), before);
    RunDir::open(dir.path(), begun).unwrap();
    error.to_string().split_once("other settings: ").unwrap().1.to_owned()
}

fn settings(value: Value) -> Manifest {
    Manifest::new(value, Shard::WHOLE)
}

#[test]
fn other_settings_are_refused_with_the_first_place_that_differs() {
    let begun = || settings(json!({ "strategies": [{ "width": 4 }, { "width": 8 }], "top_p": 0.9 }));
    let cases = [
        (
            json!({ "strategies": [{ "width": 4 }, { "width": 4 }], "top_p": 0.8 }),
            "strategies[1].width: 4 here, 8 in the run",
        ),
        (
            json!({ "strategies": [{ "width": 4 }], "top_p": 0.9 }),
            "strategies[1]: nothing here, {\"width\":8} in the run",
        ),
        (json!({ "strategies": [{ "width": 4 }, { "width": 8 }] }), "top_p: nothing here, 0.9 in the run"),
        (
            json!({ "seed": null, "strategies": [{ "width": 4 }, { "width": 8 }], "top_p": 0.9 }),
            "seed: null here, nothing in the run",
        ),
        (
            json!({ "strategies": "all", "top_p": 0.9 }),
            "strategies: \"all\" here, [{\"width\":4},{\"width\":8}] in the run",
        ),
    ];
    for (now, expected) in cases {
        assert_eq!(refusal(begun(), settings(now)), expected);
    }
}

#[test]
fn other_models_and_other_shards_are_refused() {
    let other = settings(manifest().settings).fingerprint("policy", "decaf");
    assert_eq!(refusal(manifest(), other), "fingerprints.policy: \"decaf\" here, \"c0ffee\" in the run");
    let shard = |text: &str| manifest().with_shard(text.parse().unwrap());
    assert_eq!(refusal(shard("1/2"), shard("0/2")), "shard: \"0/2\" here, \"1/2\" in the run");
}

#[test]
fn settings_with_any_numbers_are_the_same_when_they_are_read_back() {
    let numbers =
        json!({ "t": 0.1f32, "p": 1.0 / 3.0, "large": u64::MAX, "small": 5e-324, "sum": 0.1 + 0.2, "minus": i64::MIN });
    let dir = tempfile::tempdir().unwrap();
    drop(RunDir::open(dir.path(), settings(numbers.clone())).unwrap());
    assert_eq!(RunDir::open(dir.path(), settings(numbers.clone())).unwrap().manifest().settings, numbers);
}

#[test]
fn a_directory_without_a_run_is_not_taken_up() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(RunDir::existing(dir.path()), Err(RunError::NoManifest { .. })));
    assert!(matches!(read(dir.path()), Err(RunError::NoManifest { .. })));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was made");
    std::fs::write(dir.path().join("records.jsonl"), "{}\n").unwrap();
    let error = RunDir::open(dir.path(), manifest()).unwrap_err();
    assert!(matches!(error, RunError::NoManifest { .. }), "records of unknown settings: {error}");
}

#[test]
fn a_manifest_of_another_format_or_of_none_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("manifest.json");
    std::fs::write(&path, r#"{"format_version":2,"anything":[]}"#).unwrap();
    let error = RunDir::open(dir.path(), manifest()).unwrap_err();
    assert!(matches!(error, RunError::FormatVersion { expected: 1, found: 2, .. }), "{error}");
    for text in [
        "{\"format_version\":1",
        "{}",
        "[]",
        "",
        r#"{"format_version":1,"settings":{},"fingerprints":{},"shard":"2/2"}"#,
    ] {
        std::fs::write(&path, text).unwrap();
        let error = RunDir::open(dir.path(), manifest()).unwrap_err();
        assert!(matches!(error, RunError::Manifest { .. }), "{text}: {error}");
    }
}

#[test]
fn a_run_in_a_place_that_cannot_be_written_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = RunDir::open(file.join("run"), manifest()).unwrap_err();
    assert!(matches!(&error, RunError::Io { action: "create", path, .. } if *path == file.join("run")), "{error}");
}

fn secret(value: Value) -> Option<SecretError> {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    match RunDir::open(&run, settings(value)) {
        Ok(_) => None,
        Err(RunError::Secret(error)) => {
            assert!(!run.exists(), "nothing was made");
            Some(error)
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn names_of_secrets_are_refused_in_every_case_and_anywhere() {
    for name in [
        "token",
        "hf_token",
        "auth",
        "HF_TOKEN",
        "HFToken",
        "accessToken",
        "auth-token",
        "password",
        "dbPassword",
        "api_key",
        "apiKey",
        "x-api-key",
        "APIKey",
        "apikey",
        "secret",
        "client_secret",
        "Authorization",
        "private-key",
        "AWS_SECRET_ACCESS_KEY",
    ] {
        let error = secret(json!({ "remote": [{ name: "hunter2" }] })).unwrap_or_else(|| panic!("{name} was written"));
        assert_eq!(error, SecretError::Name { path: format!("settings.remote[0].{name}") });
        assert!(!error.to_string().contains("hunter2"));
    }
}

#[test]
fn names_of_settings_are_no_secrets() {
    for name in [
        "max_new_tokens",
        "minNewTokens",
        "tokens",
        "tokenizer",
        "tokenizer_config",
        "eos_token",
        "eosTokenId",
        "pad_token",
        "unseen-token",
        "tokens_per_second",
        "secretary",
        "keys",
        "key",
        "api",
        "author",
        "passes",
    ] {
        assert_eq!(secret(json!({ "outer": { name: "value" } })), None, "{name}");
    }
    assert_eq!(secret(json!({ "api_key": null, "token": "", "password": false })), None, "none was given");
}

#[test]
fn values_of_the_shape_of_access_tokens_are_refused_and_words_like_them_are_not() {
    for value in ["Bearer abc", "header: bearer abc", "hf_abcdefgh12", "sk-abcdefgh12", "https://host/x?api_key=abc"] {
        let error = secret(json!({ "note": [value] })).unwrap_or_else(|| panic!("{value} was written"));
        assert_eq!(error, SecretError::Value { path: "settings.note[0]".into() });
        assert!(!error.to_string().contains("abc"));
    }
    for value in
        ["bearer", "hf_model", "models/half_abcdefgh12", "task-abcdefgh12", "models/hf_small", "a risk-averse answer"]
    {
        assert_eq!(secret(json!({ "note": value })), None, "{value}");
    }
    assert!(secret(json!({ "openai_key": "x" })).is_some());
}

#[test]
fn addresses_with_credentials_are_refused() {
    for address in [
        "http://me:pw@host:80/v1",
        "postgres://me:pw@host",
        "see https://tok@host/x",
        "HTTPS://tok@host",
        "a https://b/c ftp://d:e@f",
    ] {
        let expected = SecretError::Address { path: "settings.urls[1]".into() };
        assert_eq!(secret(json!({ "urls": ["ok", address] })), Some(expected), "{address}");
    }
    for address in
        ["http://host:80/v1", "ssh://git@host/x", "https://host/@me", "https://host/x?to=a:b@c", "me:pw@host", "://"]
    {
        assert_eq!(secret(json!({ "urls": [address] })), None, "{address}");
    }
}

#[test]
fn fingerprints_are_looked_at_too() {
    let dir = tempfile::tempdir().unwrap();
    let error = RunDir::open(dir.path(), manifest().fingerprint("source", "https://a:b@c/model")).unwrap_err();
    assert!(
        matches!(&error, RunError::Secret(SecretError::Address { path }) if path == "fingerprints.source"),
        "{error}"
    );
}

#[test]
fn words_that_are_said_to_a_model_may_look_like_secrets() {
    let words =
        ["Bearer of good news, tell me", "sk-abcdefgh12345 is my key", "See https://user:pw@example.org/?api_key=1"];
    for text in words {
        let said = json!({
            "policy": { "system": text },
            "judges": [
                { "judge": { "kind": "refusal-phrases", "phrases": { "phrases": ["no", text], "within": 200 } } },
                { "judge": { "kind": "guard", "guard": { "question": { "prefix": text } } } },
            ],
            "data": [
                { "attack": { "kind": "suffix", "text": text } },
                { "attack": { "kind": "prefill", "text": { "pattern": text } } },
                { "attack": { "kind": "then", "attacks": [{ "kind": "template", "text": text }] } },
            ],
        });
        assert_eq!(secret(said), None, "{text}");
        for setting in [json!({ "server": { "note": text } }), json!({ "data": [{ "path": text }] })] {
            assert!(secret(setting.clone()).is_some(), "{setting}");
        }
    }
    let named = secret(json!({ "attack": { "api_key": "hunter2" } }));
    assert_eq!(named, Some(SecretError::Name { path: String::from("settings.attack.api_key") }));
}

//! The longest context that a configuration asks for.

use burn::tensor::Device;
use saffron_examples::models::{NamedMrm, NamedPolicy, Opener};
use saffron_mrm::ModelOptions;
use saffron_search::eval::models::{MrmSettings, PolicySettings};
use serde_json::json;

fn opener() -> Opener {
    Opener::new(Device::flex(), ModelOptions { cache_bytes: 64 << 20, ..ModelOptions::default() })
}

/// A Phi-3 with two sets of rotary frequencies: 2048 positions, 512 of them original.
#[test]
fn a_policy_takes_the_longest_context_that_is_asked_for() {
    let limit = |max_context: Option<usize>| -> Result<usize, String> {
        let model = crate::fixtures().join("families/phi3-longrope/policy");
        let settings = json!({ "model": model, "layout": "plain", "cache_mb": 64, "max_context": max_context });
        let settings: PolicySettings = serde_json::from_value(settings).unwrap();
        match opener().named_policy(&settings).map_err(|error| format!("{error:#}"))? {
            NamedPolicy::Local(mut policy) => Ok(policy.engine().context_limit()),
            NamedPolicy::Served(..) => unreachable!(),
        }
    };
    assert_eq!(limit(None).unwrap(), 512);
    assert_eq!(limit(Some(300)).unwrap(), 300);
    assert_eq!(limit(Some(1000)).unwrap(), 1000);
    for wrong in [0, 2049] {
        let error = limit(Some(wrong)).unwrap_err();
        assert!(error.contains(&format!("max_context: expected 1 to 2048, found {wrong}")), "{error}");
    }
    let served = json!({ "model": "vllm:http://127.0.0.1:1", "max_context": 300 });
    let served: PolicySettings = serde_json::from_value(served).unwrap();
    let error = opener().named_policy(&served).unwrap_err().to_string();
    assert!(error.contains("its longest context is set where the model runs"), "{error}");
}

#[test]
fn a_reward_models_card_is_honoured_and_no_key_may_contradict_it() {
    let adapter = tempfile::tempdir().unwrap();
    let family = crate::fixtures().join("families/phi3-longrope");
    for entry in std::fs::read_dir(family.join("mrm")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), adapter.path().join(entry.file_name())).unwrap();
    }
    std::fs::write(adapter.path().join("saffron.json"), r#"{"max_context": 700}"#).unwrap();
    let open = |max_context: Option<usize>| {
        let settings = json!({
            "base": family.join("guard"), "adapter": adapter.path(), "layout": "plain", "cache_mb": 64,
            "max_context": max_context,
        });
        let settings: MrmSettings = serde_json::from_value(settings).unwrap();
        let limit = |mrm: NamedMrm| match mrm {
            NamedMrm::Local(mut mrm) => mrm.engine().context_limit(),
            NamedMrm::Served(..) => panic!("it runs here"),
        };
        opener().named_mrm(&settings).map(limit).map_err(|error| format!("{error:#}"))
    };
    assert_eq!(open(None).unwrap(), 700);
    assert_eq!(open(Some(600)).unwrap(), 600);
    let error = open(Some(512)).unwrap_err();
    assert!(error.contains("max_context") && error.contains("expected above 512, or none"), "{error}");
}

//! What families' configurations come to.

use saffron_mrm::{DecoderConfig, LoadError};
use serde_json::{Value, json};

use super::{families, path};
use crate::fixtures::assert_says;

fn raw(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(path(name).join("policy/config.json")).unwrap()).unwrap()
}

fn read(config: &Value) -> Result<DecoderConfig, LoadError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config.to_string()).unwrap();
    DecoderConfig::from_file(file.path())
}

#[test]
fn both_styles_of_configuration_say_the_same() {
    for name in families() {
        for part in ["policy", "guard"] {
            let read = |file| DecoderConfig::from_file(&path(&name).join(part).join(file)).unwrap();
            assert_eq!(read("config.json"), read("config.v4.json"), "{name} {part}");
        }
    }
}

#[test]
fn a_configuration_that_is_written_reads_as_it_was() {
    for name in families() {
        let config = DecoderConfig::from_dir(&path(&name).join("policy")).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        config.save(file.path(), "float32").unwrap();
        assert_eq!(DecoderConfig::from_file(file.path()).unwrap(), config, "{name}");
    }
}

#[test]
fn a_field_that_is_not_known_is_refused_by_name() {
    for name in families() {
        let refused = [
            ("attention_temperature", json!(0.7)),
            ("clip_qkv", json!(8)),
            ("use_parallel_residual", json!(true)),
            ("position_embedding_type", json!("alibi")),
            ("experts", json!({ "count": 8 })),
        ];
        for (field, value) in refused {
            let mut config = raw(&name);
            let text = if config.get("text_config").is_some() { &mut config["text_config"] } else { &mut config };
            text[field] = value;
            let error = read(&config).expect_err(&name);
            assert_says(&error, &[field, "not known"]);
        }
        let mut config = raw(&name);
        for (field, value) in [("_note", json!(3)), ("clip_qkv", Value::Null), ("use_parallel_residual", json!(false))]
        {
            config[field] = value;
        }
        assert!(read(&config).is_ok(), "{name}");
    }
}

/// Fields of one family are not understood in another.
#[test]
fn a_field_of_another_family_is_refused() {
    let cases = [
        ("llama", "attn_logit_softcapping", json!(50.0)),
        ("llama", "residual_multiplier", json!(0.5)),
        ("mistral", "attention_bias", json!(true)),
        ("qwen2", "mlp_bias", json!(true)),
        ("gemma2", "use_bidirectional_attention", json!(true)),
        ("gemma3", "attn_logit_softcapping", json!(50.0)),
        ("phi3", "attention_multiplier", json!(0.5)),
        ("llama", "partial_rotary_factor", json!(0.5)),
        ("olmo2", "sliding_window", json!(8)),
        ("granite", "layer_types", json!(["full_attention", "sliding_attention", "full_attention"])),
        ("qwen3", "layer_types", json!(["full_attention", "chunked_attention", "full_attention"])),
        ("qwen3", "layer_types", json!(["full_attention"])),
        ("qwen3", "layer_types", json!(["full_attention", "full_attention", "sliding_attention"])),
        ("smollm3", "no_rope_layers", json!([1, 0, 2, 1])),
        ("gemma2", "sliding_window", Value::Null),
    ];
    for (name, field, value) in cases {
        let mut config = raw(name);
        config[field] = value;
        assert_says(&read(&config).expect_err(name), &[field]);
    }
}

#[test]
fn an_unknown_family_is_refused_with_the_known_ones() {
    let error = read(&json!({ "model_type": "mamba2", "hidden_size": 8 })).unwrap_err();
    let known = "gemma2, gemma3_text, granite, llama, mistral, olmo2, phi3, qwen2, qwen3, smollm3";
    assert_says(&error, &["model_type", "mamba2 is not supported", known]);
}

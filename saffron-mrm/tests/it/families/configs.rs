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
        let text = if config.get("text_config").is_some() { &mut config["text_config"] } else { &mut config };
        for (field, value) in [("_note", json!(3)), ("clip_qkv", Value::Null), ("use_parallel_residual", json!(false))]
        {
            text[field] = value;
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

fn with(name: &str, changes: &Value) -> Value {
    let mut config = raw(name);
    for (field, value) in changes.as_object().unwrap() {
        config[field] = value.clone();
    }
    config
}

/// What transformers 5.24 would compute differently, or not at all.
#[test]
fn what_means_something_else_in_transformers_is_refused() {
    let nested = |yarn: Value| json!({ "rope_parameters": { "full_attention": yarn, "sliding_attention": {} } });
    let yarn = json!({ "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32 });
    let mut cut = yarn.clone();
    cut["truncate"] = json!(false);
    let mut beside = nested(yarn.clone());
    beside["original_max_position_embeddings"] = json!(64);
    let cases = [
        ("llama", json!({ "is_causal": false }), "is_causal"),
        ("qwen3", json!({ "is_causal": null }), "is_causal"),
        ("mistral", json!({ "transformers_weights": "other.safetensors" }), "transformers_weights"),
        ("gemma3", nested(cut), "rope_parameters.full_attention.truncate"),
        ("gemma3", beside, "original_max_position_embeddings"),
        (
            "gemma3",
            json!({ "rope_parameters": null, "rope_scaling": { "type": "linear", "factor": 8.0 } }),
            "rope_scaling.rope_type",
        ),
        ("gemma3", json!({ "layer_types": null, "sliding_window_pattern": 0 }), "sliding_window_pattern"),
        ("smollm3", json!({ "no_rope_layers": null, "no_rope_layer_interval": 0 }), "no_rope_layer_interval"),
        ("qwen3", json!({ "head_dim": null }), "head_dim"),
        ("gemma2", json!({ "sliding_window_size": 17 }), "sliding_window_size"),
        ("phi3", json!({ "interpolate_factor": 2 }), "interpolate_factor"),
        ("llama", json!({ "activation": "geglu" }), "activation"),
        ("gemma3-multimodal", json!({ "tie_word_embeddings": null, "text_config": null }), "text_config"),
    ];
    for (name, changes, field) in cases {
        let error = read(&with(name, &changes)).expect_err(&format!("{name} {changes}"));
        assert!(matches!(&error, LoadError::Field { field: found, .. } if found == field), "{changes}: {error}");
    }
    let mut capped = raw("gemma3-multimodal");
    capped["text_config"]["final_logit_softcapping"] = json!(30.0);
    assert_says(&read(&capped).unwrap_err(), &["text_config.final_logit_softcapping", "null"]);
}

/// Fields of real files that change nothing.
#[test]
fn what_real_files_note_beside_is_taken() {
    let cases = [
        ("phi3", json!({ "full_attn_mod": 1, "interpolate_factor": 1, "auto_map": { "AutoConfig": "a.B" } })),
        ("llama", json!({ "is_llama_config": true, "transformers.js_config": { "dtype": "q4" } })),
        ("llama", json!({ "activation": "swiglu", "max_sequence_length": 64, "pretraining_tp": 1, "is_causal": true })),
        (
            "gemma2",
            json!({ "sliding_window_size": 16, "hidden_act": "gelu_pytorch_tanh", "cache_implementation": "hybrid" }),
        ),
        ("qwen2", json!({ "original_max_position_embeddings": 64, "neftune_noise_alpha": 5.0, "epsilon_cutoff": 0.1 })),
    ];
    for (name, changes) in cases {
        assert_eq!(read(&with(name, &changes)).unwrap(), read(&raw(name)).unwrap(), "{name} {changes}");
    }
}

#[test]
fn older_names_of_a_stretching_mean_the_same_when_a_file_was_saved_again() {
    let expected = read(&raw("phi3-longrope")).unwrap();
    for older in ["su", "yarn", "longrope"] {
        let mut config = raw("phi3-longrope");
        config["rope_parameters"]["type"] = json!(older);
        assert_eq!(read(&config).unwrap(), expected, "{older}");
        config["rope_parameters"].as_object_mut().unwrap().remove("rope_type");
        assert_eq!(read(&config).unwrap(), expected, "{older} alone");
    }
}

#[test]
fn a_null_truncate_is_no_absent_one() {
    let read = |truncate: Option<Value>| {
        let mut config = raw("llama-yarn");
        if let Some(truncate) = truncate {
            config["rope_parameters"]["truncate"] = truncate;
        }
        read(&config).unwrap()
    };
    assert_eq!(read(None), read(Some(json!(true))));
    assert_eq!(read(Some(Value::Null)), read(Some(json!(false))));
    assert_ne!(read(None), read(Some(Value::Null)));
}

#[test]
fn stretched_positions_of_layers_with_a_window_are_written_too() {
    let full = json!({ "rope_type": "yarn", "factor": 4.0, "rope_theta": 2e6 });
    let sliding = json!({ "rope_type": "linear", "factor": 2.0, "rope_theta": 2e4 });
    let parameters = json!({ "full_attention": full, "sliding_attention": sliding });
    let config = read(&with("gemma3", &json!({ "rope_parameters": parameters }))).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    config.save(file.path(), "float32").unwrap();
    assert_eq!(DecoderConfig::from_file(file.path()).unwrap(), config);
}

/// A multimodal model is tied unless its top level says otherwise, and keeps the text part's end
/// tokens where the top level has none.
#[test]
fn the_top_level_of_a_multimodal_file_decides() {
    let mut config = raw("gemma3-multimodal");
    config["text_config"]["tie_word_embeddings"] = json!(false);
    config["text_config"]["eos_token_id"] = json!([1, 3]);
    config.as_object_mut().unwrap().remove("tie_word_embeddings");
    let found = read(&config).unwrap();
    assert!(found.tie_word_embeddings);
    assert_eq!(found.eos_token_ids, [1, 3]);
    config["tie_word_embeddings"] = json!(false);
    config["eos_token_id"] = json!(2);
    let found = read(&config).unwrap();
    assert!(!found.tie_word_embeddings);
    assert_eq!(found.eos_token_ids, [2]);
}

#[test]
fn numbers_that_no_positions_come_of_are_refused() {
    let rope = |object: Value| json!({ "rope_parameters": object });
    let factors = vec![1.0; 4000];
    let cases = [
        ("llama-yarn", json!({ "rope_type": "yarn", "factor": 4.0, "rope_theta": 1.0 })),
        ("llama-yarn", json!({ "rope_type": "yarn", "factor": 4.0, "attention_factor": -1.0 })),
        ("llama-yarn", json!({ "rope_type": "yarn", "factor": 4.0, "mscale": 1.0, "mscale_all_dim": -9.0 })),
        ("llama", json!({ "rope_type": "linear", "factor": 1e-320 })),
        ("phi3-longrope", json!({ "rope_type": "longrope", "short_factor": factors, "long_factor": factors })),
        (
            "phi3-longrope",
            json!({ "rope_type": "longrope", "short_factor": [0, 1, 1, 1, 1, 1], "long_factor": [1, 1, 1, 1, 1, 1] }),
        ),
    ];
    for (name, object) in cases {
        assert!(read(&with(name, &rope(object.clone()))).is_err(), "{name} {object}");
    }
    let mut one = raw("phi3-longrope");
    one["original_max_position_embeddings"] = json!(1);
    assert!(read(&one).is_err(), "the logarithm of 1 divides");
    let wide = json!({ "num_attention_heads": 65_536, "num_key_value_heads": 1, "head_dim": 64 });
    assert_says(&read(&with("llama", &wide)).unwrap_err(), &["num_attention_heads", "16384"]);
}

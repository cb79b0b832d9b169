//! What a `config.json` comes to: rotary positions in the styles of two major versions, families,
//! quantised weights.

use saffron_mrm::{Biases, DecoderConfig, LoadError, RopeScaling};
use serde_json::{Value, json};

use crate::fixtures::{assert_says, chain};

/// A configuration with some fields changed. A field of the value `"absent"` is taken out.
fn read(changes: &Value) -> Result<DecoderConfig, LoadError> {
    let mut config = json!({
        "model_type": "llama", "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_key_value_heads": 1, "vocab_size": 30, "max_position_embeddings": 512,
    });
    let config_fields = config.as_object_mut().unwrap();
    for (field, value) in changes.as_object().unwrap() {
        if value == "absent" {
            config_fields.remove(field);
        } else {
            config_fields.insert(field.clone(), value.clone());
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config.to_string()).unwrap();
    DecoderConfig::from_file(file.path())
}

fn assert_refused(changes: &Value, says: &[&str]) {
    assert_says(&read(changes).expect_err(&changes.to_string()), says);
}

fn llama3(original: f64) -> RopeScaling {
    RopeScaling::Llama3 {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: original,
    }
}

/// An object of Llama 3's scaling with more fields.
fn scaled(more: &Value) -> Value {
    let mut object = json!({ "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0 });
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object
}

/// Values by transformers 5.24's rules.
#[test]
fn rotary_positions_are_resolved_as_transformers_5_does() {
    let (plain, theta) = (|| RopeScaling::Plain, json!({ "rope_theta": 5e5 }));
    let full = scaled(&json!({ "rope_theta": 5e5, "original_max_position_embeddings": 64 }));
    let without_theta = scaled(&json!({ "original_max_position_embeddings": 64 }));
    let cases = [
        (json!({}), 1e4, plain()),
        (json!({ "rope_theta": null, "rope_scaling": null, "rope_parameters": null }), 1e4, plain()),
        (json!({ "rope_theta": 2e4 }), 2e4, plain()),
        (json!({ "rope_theta": 2e4, "rope_scaling": {}, "rope_parameters": {} }), 2e4, plain()),
        (json!({ "rope_parameters": { "rope_type": "default", "rope_theta": 5e5 } }), 5e5, plain()),
        // A configuration of version 5 that version 4 has saved again with its own default.
        (json!({ "rope_theta": 1e4, "rope_scaling": null, "rope_parameters": full }), 5e5, llama3(64.0)),
        (json!({ "rope_theta": 1e4, "rope_scaling": {}, "rope_parameters": theta }), 5e5, plain()),
        (json!({ "rope_theta": 2e4, "rope_parameters": without_theta }), 2e4, llama3(64.0)),
        (json!({ "rope_theta": 2e4, "rope_scaling": without_theta }), 2e4, llama3(64.0)),
        (json!({ "rope_scaling": without_theta }), 1e4, llama3(64.0)),
        (json!({ "rope_theta": 2e4, "rope_scaling": full }), 5e5, llama3(64.0)),
        // Both objects, which say the same.
        (json!({ "rope_theta": 5e5, "rope_scaling": without_theta, "rope_parameters": full }), 5e5, llama3(64.0)),
        (json!({ "rope_theta": 1e4, "rope_scaling": full, "rope_parameters": full }), 5e5, llama3(64.0)),
        // The context before stretching: the top level's, else the object's, else the model's.
        (json!({ "rope_scaling": scaled(&json!({})) }), 1e4, llama3(512.0)),
        (json!({ "original_max_position_embeddings": 128, "rope_parameters": full }), 5e5, llama3(128.0)),
        (json!({ "rope_scaling": { "type": "default" } }), 1e4, plain()),
    ];
    for (changes, theta, scaling) in cases {
        let config = read(&changes).unwrap();
        let rotary = config.layer(0).rotary.clone().unwrap();
        assert_eq!((rotary.theta, rotary.scaling), (theta, scaling), "{changes}");
    }
}

#[test]
fn rotary_positions_that_contradict_each_other_are_refused() {
    let full = scaled(&json!({ "rope_theta": 5e5, "original_max_position_embeddings": 64 }));
    let without_theta = scaled(&json!({ "original_max_position_embeddings": 64 }));
    let default = json!({ "rope_type": "default", "rope_theta": 5e5 });
    // Transformers 5 would forget rope_parameters, and its theta with it.
    let cases = [
        json!({ "rope_scaling": without_theta, "rope_parameters": full }),
        json!({ "rope_theta": 1e4, "rope_scaling": without_theta, "rope_parameters": full }),
        json!({ "rope_theta": 5e5, "rope_scaling": without_theta, "rope_parameters": default }),
    ];
    for changes in cases {
        assert_refused(&changes, &["rope_parameters", "what rope_scaling says", "500000"]);
    }
    let nested = json!({ "rope_parameters": { "full_attention": default, "sliding_attention": default } });
    assert_refused(&nested, &["rope_parameters.full_attention", "one value for all layers"]);
    assert_refused(&json!({ "rope_parameters": [1] }), &["rope_parameters", "an object or null", "[1]"]);
    assert_refused(&json!({ "rope_parameters": { "rope_type": "yarn" } }), &["rope_parameters.factor", "nothing"]);
    let dynamic = json!({ "rope_parameters": { "rope_type": "dynamic", "factor": 2.0 } });
    assert_refused(&dynamic, &["rope_parameters.rope_type", "dynamic", "change with the context's length"]);
    let unknown = json!({ "rope_parameters": { "rope_type": "default", "sharpness": 2.0 } });
    assert_refused(&unknown, &["rope_parameters.sharpness", "not known"]);
    let text = json!({ "rope_scaling": { "rope_type": "llama3", "low_freq_factor": "1" } });
    assert_refused(&text, &["rope_scaling.low_freq_factor", "a number", "\"1\""]);
    assert_refused(&json!({ "rope_theta": "1" }), &["rope_theta", "a number"]);
    assert_refused(&json!({ "partial_rotary_factor": 0.5 }), &["partial_rotary_factor", "1", "0.5"]);
    let partial = json!({ "rope_parameters": { "partial_rotary_factor": 0.25 } });
    assert_refused(&partial, &["rope_parameters.partial_rotary_factor", "1", "0.25"]);
}

#[test]
fn without_a_model_type_the_architecture_decides() {
    let named = |architectures: Value| json!({ "model_type": "absent", "architectures": architectures });
    let llama = read(&named(json!(["LlamaForCausalLM"]))).unwrap();
    assert_eq!(llama, read(&json!({})).unwrap());
    let mistral = read(&named(json!(["MistralForCausalLM"]))).unwrap();
    assert_eq!((mistral.choices.family.name(), mistral.layer(0).window), ("mistral", Some(4096)));
    assert_eq!(llama.layer(0).window, None);
    let others = [
        (json!(["GPT2LMHeadModel"]), "GPT2LMHeadModel"),
        (json!(["LlamaForSequenceClassification"]), "LlamaForSequenceClassification"),
        (json!(["LlamaForCausalLM", "GemmaForCausalLM"]), "GemmaForCausalLM"),
        (json!([]), "[]"),
        (json!("absent"), "nothing"),
        (Value::Null, "nothing"),
    ];
    for (architectures, found) in others {
        assert_refused(&named(architectures), &["architectures", "LlamaForCausalLM, MistralForCausalLM", found]);
    }
    assert_refused(&json!({ "model_type": 3 }), &["model_type", "llama", "found 3"]);
}

/// What Mistral's configuration means where it says nothing.
#[test]
fn defaults_of_mistral_are_not_taken_for_those_of_llama() {
    let mistral = |more: Value| {
        let mut changes =
            json!({ "model_type": "mistral", "num_attention_heads": 16, "head_dim": 2, "sliding_window": null });
        changes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        changes
    };
    assert_eq!(read(&mistral(json!({}))).unwrap().layer(0).window, None);
    assert_eq!(read(&mistral(json!({ "sliding_window": "absent" }))).unwrap().layer(0).window, Some(4096));
    let silent = read(&mistral(json!({ "num_key_value_heads": "absent" }))).unwrap();
    assert_eq!(silent.num_key_value_heads, 8);
    assert_eq!(read(&mistral(json!({ "num_key_value_heads": null }))).unwrap().num_key_value_heads, 16);
    // Its window is that of all layers, whatever another field says.
    let layers = json!({ "layer_types": ["full_attention", "sliding_attention"] });
    assert_refused(&mistral(layers), &["layer_types", "full_attention alone", "sliding_attention"]);
    let layers = json!({ "layer_types": ["full_attention"], "sliding_window": 8 });
    assert_refused(&mistral(layers), &["layer_types", "sliding_attention alone", "full_attention"]);
    assert_refused(&mistral(json!({ "sliding_window": 0 })), &["sliding_window", "at least 1", "0"]);
}

#[test]
fn foreign_and_nested_configurations_are_refused_by_their_kind() {
    let text = json!({ "model_type": "llama", "hidden_size": 64 });
    let cases = [
        (
            json!({ "model_type": "gpt2", "n_embd": 64, "hidden_size": "absent" }),
            ["model_type: gpt2 is not supported", "supported: gemma2, gemma3_text"],
        ),
        (
            json!({ "model_type": "llava", "text_config": text, "hidden_size": "absent" }),
            ["model_type: llava is not supported", "qwen3, smollm3"],
        ),
        (
            json!({
                "model_type": "absent", "architectures": ["Mistral3ForConditionalGeneration"], "text_config": text,
                "hidden_size": "absent",
            }),
            ["architectures", "Mistral3ForConditionalGeneration"],
        ),
        // Quantised and foreign: the kind comes first.
        (
            json!({ "model_type": "gemma3n", "quantization_config": { "quant_method": "awq" } }),
            ["model_type", "gemma3n"],
        ),
    ];
    for (changes, says) in cases {
        assert_refused(&changes, &says);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[1, 2]").unwrap();
    let error = DecoderConfig::from_file(file.path()).unwrap_err();
    assert_says(&error, &["cannot be used as JSON"]);
    assert!(chain(&error)[1].contains("expected a map"), "{error:?}");
    // A long name is not repeated.
    let said = read(&json!({ "model_type": "x".repeat(1 << 20) })).unwrap_err().to_string();
    assert!(said.len() < 1000 && said.contains("(1048576 bytes)"), "{said}");
}

#[test]
fn quantised_weights_are_refused_by_their_method() {
    let cases = [
        ("quantization_config", json!({ "quant_method": "bitsandbytes", "load_in_4bit": true }), "bitsandbytes"),
        ("quantization_config", json!({ "quant_method": "gptq", "bits": 4 }), "gptq"),
        ("quantization_config", json!({ "quant_method": "awq" }), "awq"),
        ("quantization_config", json!({ "quant_method": "fp8", "weight_block_size": [128, 128] }), "fp8"),
        ("quantization_config", json!({ "load_in_8bit": true }), "bitsandbytes"),
        ("quantization_config", json!({}), "a method without a name"),
        ("quantization", json!({ "group_size": 64, "bits": 4 }), "4 bits"),
        ("compression_config", json!({ "format": "pack-quantized" }), "pack-quantized"),
    ];
    for (field, value, method) in cases {
        // A field that is missing, too, is not what the reader must hear of.
        let said = format!("{field}: {method} is not supported");
        assert_refused(&json!({ field: value, "hidden_size": "absent" }), &[&said]);
    }
    assert!(read(&json!({ "quantization_config": null })).is_ok());
}

/// What transformers takes where a file is silent or says null.
#[test]
fn what_a_file_leaves_out_has_the_familys_default() {
    let silent = json!({ "max_position_embeddings": "absent", "rms_norm_eps": "absent" });
    let config = read(&silent).unwrap();
    assert_eq!((config.max_position_embeddings, config.rms_norm_eps), (2048, 1e-6));
    let mut mistral = silent.clone();
    mistral["model_type"] = json!("mistral");
    mistral["sliding_window"] = Value::Null;
    assert_eq!(read(&mistral).unwrap().max_position_embeddings, 131_072);
    let nulls = json!({
        "tie_word_embeddings": null, "attention_bias": null, "mlp_bias": null, "head_dim": null, "eos_token_id": null,
        "num_key_value_heads": null, "layer_types": null, "sliding_window": null, "hidden_act": null,
    });
    let config = read(&nulls).unwrap();
    assert!(!config.tie_word_embeddings && config.choices.biases == Biases::default());
    assert_eq!((config.num_key_value_heads, config.head_dim, config.eos_token_ids.len()), (2, 8, 0));
    assert_eq!(read(&json!({ "eos_token_id": 7 })).unwrap().eos_token_ids, [7]);
    assert_eq!(read(&json!({ "eos_token_id": [7, 8] })).unwrap().eos_token_ids, [7, 8]);
}

#[test]
fn what_cannot_be_taken_is_refused_by_field() {
    let cases = [
        (json!({ "max_position_embeddings": null }), ["max_position_embeddings", "null"]),
        (json!({ "rms_norm_eps": null }), ["rms_norm_eps", "null"]),
        (json!({ "hidden_size": null }), ["hidden_size: expected a whole number", "nothing"]),
        (json!({ "vocab_size": "absent" }), ["vocab_size: expected a whole number", "nothing"]),
        (json!({ "vocab_size": 30.5 }), ["vocab_size", "30.5"]),
        (json!({ "num_hidden_layers": -1 }), ["num_hidden_layers", "-1"]),
        (json!({ "tie_word_embeddings": "yes" }), ["tie_word_embeddings: expected true or false", "yes"]),
        (json!({ "attention_bias": 1 }), ["attention_bias: expected true or false", "found 1"]),
        (json!({ "eos_token_id": "</s>" }), ["eos_token_id: expected a token id or a list of them", "</s>"]),
        (json!({ "eos_token_id": [1, -2] }), ["eos_token_id: expected a token id or a list of them", "[1,-2]"]),
        (json!({ "eos_token_id": { "id": 1 } }), ["eos_token_id", "{\"id\":1}"]),
        (json!({ "layer_types": "full_attention" }), ["layer_types: expected a list of texts", "full"]),
        (json!({ "hidden_act": 3 }), ["hidden_act: expected a text", "3"]),
        (json!({ "sliding_window": "wide" }), ["sliding_window", "wide"]),
    ];
    for (changes, says) in cases {
        let error = read(&changes).expect_err(&changes.to_string());
        assert!(matches!(error, LoadError::Field { .. }), "{error}");
        assert_says(&error, &says);
        assert!(!error.to_string().contains("enum"), "{error}");
    }
}

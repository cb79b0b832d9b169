//! What a GGUF of a family must not say.

use candle_core::quantized::gguf_file::Value;
use saffron_mrm::RopeScaling;
use saffron_mrm::checkpoint::{Checkpoint, GgufWeights};

use super::{CHANGED, described, path, unsaid};
use crate::gguf::{Parts, number};

fn parts(name: &str) -> Parts {
    super::parts(name)
}

/// What the format cannot say is no file: writing one is refused, and nothing is left of it.
#[test]
fn what_the_format_cannot_say_is_not_written() {
    let changed = CHANGED.map(|(name, _)| (name, "the scale of scores is derived"));
    for (name, reason) in unsaid().map(|(name, reason, ..)| (name, reason)).into_iter().chain(changed) {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = Checkpoint::open(path(name).join("policy")).unwrap();
        let error = checkpoint.export_gguf(&folder.path().join("out"), GgufWeights::F32).unwrap_err().to_string();
        let says = if name == "gemma3-yarn" { "gemma3.rope.scaling.type" } else { "can say" };
        assert!(error.contains(says), "{name} ({reason}): {error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{name}");
    }
}

#[test]
fn what_the_format_cannot_say_is_refused_by_its_key() {
    for (name, reason, key, value) in unsaid() {
        // A fixture of the same architecture that the format can say.
        let family = name.split('-').next().unwrap();
        let error = parts(family).with(key, value).error();
        let named = match key {
            "gemma2.attn_logit_softcapping" => "the cap of scores",
            "gemma2.final_logit_softcapping" => "the cap of logits",
            key => key,
        };
        assert!(error.contains(named), "{name} ({reason}): {named:?} in {error}");
    }
}

#[test]
fn keys_that_are_not_understood_are_refused_by_name() {
    let real = |number| Value::F32(number);
    let cases = [
        ("llama", "llama.attention.clamp_kqv", real(8.0)),
        ("llama", "llama.rope.freq_base_swa", real(1e4)),
        ("llama", "llama.attention.scale", real(0.5)),
        ("qwen2", "qwen2.logit_scale", real(0.5)),
        ("qwen3", "qwen3.rope.dimension_sections", Value::Array(vec![Value::I32(8)])),
        ("gemma2", "gemma2.rope.freq_base_swa", real(1e6)),
        ("gemma3", "gemma3.attn_logit_softcapping", real(50.0)),
        ("granite", "granite.expert_shared_feed_forward_length", number(8)),
        ("granite", "granite.rope.scaling.finetuned", Value::Bool(false)),
        ("phi3", "phi3.rope.scaling.factor", real(4.0)),
        ("olmo2", "olmo2.attention.sliding_window", number(8)),
        ("smollm3", "smollm3.attention.causal", Value::Bool(false)),
        ("qwen3", "qwen3.expert_count", number(8)),
        ("qwen3", "qwen3.attention.value_length", number(8)),
        ("qwen2", "qwen2.rope.dimension_count", number(6)),
        ("gemma3-multimodal-old", "gemma3.attention.sliding_window_pattern", Value::Array(vec![Value::Bool(true)])),
        ("llama", "llama.block_count", number(5000)),
        ("llama", "llama.attention.head_count_kv", Value::Array(vec![Value::U32(2); 3])),
    ];
    for (name, key, value) in cases {
        let error = parts(name).with(key, value).error();
        let key = if name == "phi3" { "phi3.rope.scaling.type" } else { key };
        assert!(error.contains(key), "{key:?} in {error}");
    }
    // Keys of another prefix are of no concern, and neither are those that change nothing.
    let harmless =
        parts("qwen3").with("general.name", Value::String(String::from("x"))).with("qwen2.logit_scale", real(2.0));
    let harmless = harmless.with("qwen3.pooling_type", number(1)).with("qwen3.expert_count", number(0));
    let (_folder, path) = harmless.file();
    Checkpoint::open(&path).unwrap();
}

#[test]
fn tensors_of_another_architecture_are_refused_by_name() {
    let tensor = |name, tensor| parts(name).with_tensor(tensor, vec![1.0; 8], &[8]).error();
    for (name, own) in [
        ("qwen3", "rope_freqs.weight"),
        ("smollm3", "rope_freqs.weight"),
        ("llama-default", "blk.0.attn_q_norm.weight"),
        ("llama-default", "blk.0.post_attention_norm.weight"),
        ("olmo2", "blk.0.attn_norm.weight"),
        ("qwen2", "blk.0.attn_qkv.weight"),
        ("gemma3", "v.patch_embd.weight"),
    ] {
        let (error, expected) = (tensor(name, own), if own.contains("qkv") { "qkv_proj" } else { own });
        assert!(error.contains("unexpected tensors") && error.contains(expected), "{name}: {error}");
    }
    let error = parts("phi3-longrope").without("rope_factors_long.weight").error();
    assert!(error.contains("rope_factors_long.weight"), "{error}");
    let error = parts("phi3").with_tensor("rope_factors_short.weight", vec![1.0; 5], &[5]);
    let error = error.with_tensor("rope_factors_long.weight", vec![1.0; 5], &[5]).error();
    assert!(error.contains("rope_factors_short.weight: expected 3 values, found 5"), "{error}");
    let error = parts("qwen2").without("blk.1.attn_k.bias").error();
    assert!(error.contains("missing") && error.contains("k_proj.bias"), "{error}");
}

#[test]
fn what_a_file_leaves_out_is_llama_cpps_default() {
    let open = |parts: Parts| {
        let (_folder, path) = parts.file();
        Checkpoint::open(&path).unwrap().config().unwrap()
    };
    let plain =
        open(parts("gemma2").without("gemma2.attn_logit_softcapping").without("gemma2.final_logit_softcapping"));
    assert_eq!((plain.choices.score_cap, plain.choices.logit_cap), (Some(50.0), Some(30.0)));
    let plain = open(parts("gemma2").without("gemma2.attention.sliding_window"));
    assert_eq!((plain.layer(0).window, plain.layer(1).window), (Some(4096), None));
    let plain = open(parts("gemma3").without("gemma3.rope.freq_base_swa"));
    assert_eq!(plain.layer(0).rotary.as_ref().unwrap().theta, 10_000.0);
    let plain = open(parts("gemma3").without("gemma3.attention.sliding_window"));
    assert!((0..4).all(|layer| plain.layer(layer).window.is_none()));
    let plain = open(parts("gemma3").without("gemma3.attention.sliding_window_pattern"));
    assert!((0..4).all(|layer| plain.layer(layer).window == Some(12)), "one layer in six has none");
    let each = [true, false, false, true].map(Value::Bool).to_vec();
    let plain = open(parts("gemma3").with("gemma3.attention.sliding_window_pattern", Value::Array(each)));
    assert_eq!(plain.layer(1).window, None);
    let plain =
        open(parts("granite").without("granite.attention.scale").with("granite.residual_scale", Value::F32(0.0)));
    assert_eq!((plain.choices.scales.score, plain.choices.scales.residual), (None, 1.0));
    let plain = open(parts("qwen2-yarn").without("qwen2.rope.scaling.original_context_length"));
    let RopeScaling::Yarn(yarn) = &plain.layer(0).rotary.as_ref().unwrap().scaling else { panic!("no yarn") };
    assert_eq!(yarn.original_max_position_embeddings, 1024.0);
    assert_eq!(described(&plain)["rope_scaling"]["rope_type"], "yarn");
}

/// The scale of scores of the largest Gemmas is of the width that heads would have without one of
/// their own.
#[test]
fn the_largest_gemmas_are_known_by_their_layers() {
    for (name, layers) in [("gemma2", 46), ("gemma3", 62)] {
        let parts = parts(name).with(&format!("{name}.block_count"), number(layers));
        // A file without its other layers is not loaded, but its description is there.
        let (_folder, path) = parts.file();
        let found = Checkpoint::open(&path).unwrap().config().unwrap();
        assert_eq!(found.choices.scales.score, Some(12f64.powf(-0.5)), "48 / 4, not 16");
    }
}

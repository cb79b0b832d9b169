//! GGUFs as policies and as bases, written here.

use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use saffron_mrm::DecoderConfig;
use serde_json::Value;

use super::{answered, compare, config, example, fixture, manifest, succeed};

/// A value of a GGUF's metadata.
enum Field {
    Number(u32),
    Float(f32),
    Text(String),
    Texts(Vec<String>),
    Kinds(Vec<i32>),
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

fn put_array(bytes: &mut Vec<u8>, kind: u32, length: usize) {
    bytes.extend([9u32, kind].iter().flat_map(|number| number.to_le_bytes()));
    bytes.extend((length as u64).to_le_bytes());
}

impl Field {
    fn put(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Number(number) => bytes.extend([4u32, *number].iter().flat_map(|number| number.to_le_bytes())),
            Self::Float(number) => {
                bytes.extend(6u32.to_le_bytes());
                bytes.extend(number.to_le_bytes());
            }
            Self::Text(text) => {
                bytes.extend(8u32.to_le_bytes());
                put_text(bytes, text);
            }
            Self::Texts(texts) => {
                put_array(bytes, 8, texts.len());
                texts.iter().for_each(|text| put_text(bytes, text));
            }
            Self::Kinds(kinds) => {
                put_array(bytes, 5, kinds.len());
                bytes.extend(kinds.iter().flat_map(|kind| kind.to_le_bytes()));
            }
        }
    }
}

/// Rows of heads with the pairs that rotate together side by side.
fn side_by_side(values: &[f32], heads: usize, width: usize) -> Vec<f32> {
    let columns = values.len() / (heads * width);
    let halves = move |head, pair| [0, 1].map(|half| head * width + half * width / 2 + pair);
    let rows = (0..heads).flat_map(move |head| (0..width / 2).flat_map(move |pair| halves(head, pair)));
    rows.flat_map(|row| &values[row * columns..][..columns]).copied().collect()
}

fn own_name(name: &str) -> String {
    let pairs = [
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
        ("model.layers.", "blk."),
        ("input_layernorm", "attn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("post_attention_layernorm", "ffn_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ];
    pairs.iter().fold(name.to_owned(), |name, (from, to)| name.replace(from, to))
}

fn metadata(dir: &Path, config: &DecoderConfig) -> Vec<(&'static str, Field)> {
    let tokenizer: Value = serde_json::from_slice(&std::fs::read(dir.join("tokenizer.json")).unwrap()).unwrap();
    let vocabulary = tokenizer["model"]["vocab"].as_object().unwrap();
    let mut tokens: Vec<(u64, &String)> = vocabulary.iter().map(|(text, id)| (id.as_u64().unwrap(), text)).collect();
    tokens.sort_unstable();
    let special: Vec<u64> =
        tokenizer["added_tokens"].as_array().unwrap().iter().map(|token| token["id"].as_u64().unwrap()).collect();
    let kinds = tokens.iter().map(|(id, _)| if special.contains(id) { 3 } else { 1 }).collect();
    let number = |number: usize| Field::Number(number as u32);
    let text = |text: &str| Field::Text(text.to_owned());
    vec![
        ("general.architecture", text("llama")),
        ("llama.embedding_length", number(config.hidden_size)),
        ("llama.feed_forward_length", number(config.intermediate_size)),
        ("llama.block_count", number(config.num_hidden_layers)),
        ("llama.attention.head_count", number(config.num_attention_heads)),
        ("llama.attention.head_count_kv", number(config.num_key_value_heads)),
        ("llama.attention.key_length", number(config.head_dim)),
        ("llama.attention.value_length", number(config.head_dim)),
        ("llama.rope.dimension_count", number(config.head_dim)),
        ("llama.rope.freq_base", Field::Float(config.layer(0).rotary.as_ref().unwrap().theta as f32)),
        ("llama.context_length", number(config.max_position_embeddings)),
        ("llama.attention.layer_norm_rms_epsilon", Field::Float(config.rms_norm_eps as f32)),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text("gpt-2")),
        ("tokenizer.ggml.tokens", Field::Texts(tokens.into_iter().map(|(_, token)| token.clone()).collect())),
        ("tokenizer.ggml.token_type", Field::Kinds(kinds)),
        ("tokenizer.ggml.merges", Field::Texts(Vec::new())),
        ("tokenizer.ggml.bos_token_id", number(0)),
        ("tokenizer.ggml.eos_token_id", number(1)),
    ]
}

/// A model of a directory, without merges and scaled positions, as a GGUF of 32 bits.
fn write_gguf(dir: &Path, path: &Path) {
    let config = DecoderConfig::from_dir(dir).unwrap();
    let file = std::fs::read(dir.join("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    for (name, tensor) in tensors.tensors() {
        let values: Vec<f32> =
            tensor.data().chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
        let values = match () {
            () if name.contains(".q_proj.") => side_by_side(&values, config.num_attention_heads, config.head_dim),
            () if name.contains(".k_proj.") => side_by_side(&values, config.num_key_value_heads, config.head_dim),
            () => values,
        };
        put_text(&mut entries, &own_name(&name));
        entries.extend((tensor.shape().len() as u32).to_le_bytes());
        entries.extend(tensor.shape().iter().rev().flat_map(|size| (*size as u64).to_le_bytes()));
        entries.extend(0u32.to_le_bytes());
        entries.extend((data.len() as u64).to_le_bytes());
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        data.resize(data.len().next_multiple_of(32), 0);
    }
    let fields = metadata(dir, &config);
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3u32.to_le_bytes());
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend((fields.len() as u64).to_le_bytes());
    for (name, field) in fields {
        put_text(&mut bytes, name);
        field.put(&mut bytes);
    }
    bytes.extend(entries);
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    bytes.extend(data);
    std::fs::write(path, bytes).unwrap();
}

fn gguf(folder: &Path, model: &str) -> PathBuf {
    let path = folder.join("model.gguf");
    write_gguf(&crate::fixtures().join(model), &path);
    path
}

#[test]
fn compare_on_a_gguf_policy_answers_as_on_its_directory() {
    let folder = tempfile::tempdir().unwrap();
    gguf(folder.path(), "tiny-a/policy");
    let directory =
        answered(folder.path(), "directory", &format!("model = \"{}\"\nlayout = \"plain\"", fixture("tiny-a/policy")));
    // A path that starts from the configuration's folder.
    let file = answered(folder.path(), "gguf", "model = \"model.gguf\"\nlayout = \"plain\"");
    assert_eq!(file, directory);
    let manifest = manifest(&folder.path().join("gguf"));
    assert_eq!(manifest["settings"]["policy"]["model"], "model.gguf");
    let sum = manifest["fingerprints"]["policy.model"].as_str().unwrap();
    assert!(sum.starts_with("crc32 "), "{sum}");
}

#[test]
fn a_reward_model_on_a_gguf_is_made_and_guides() {
    let folder = tempfile::tempdir().unwrap();
    let base = gguf(folder.path(), "tiny-a/guard");
    let mrm = folder.path().join("mrm");
    succeed(example("init_mrm").arg("--base").arg(&base).arg("--out").arg(&mrm).arg("--random"));
    let more = "[[rewards]]\nname = \"mrm\"\nmodel = { kind = \"mrm\", base = \"model.gguf\", adapter = \"mrm\" }\n\n\
                [[strategies]]\nname = \"saffron\"\nstrategy = { kind = \"saffron\" }\nreward = \"mrm\"\nbudgets = [2]\n";
    let policy = format!("model = \"{}\"\nlayout = \"plain\"", fixture("tiny-a/policy"));
    let out = folder.path().join("run");
    succeed(&mut compare(&config(folder.path(), &policy, more), &out));
    assert_eq!(super::answers(&out).len(), 6);
    // The adapter names its base, which decode follows.
    let mut decode = example("decode");
    decode.args([
        "--policy",
        &fixture("tiny-a/policy"),
        "--layout",
        "plain",
        "--prompt",
        "hello",
        "--max-new-tokens",
        "3",
    ]);
    succeed(decode.arg("--mrm").arg(&mrm).args(["--width", "2"]));
}

//! GGUF: the same models as their directories, and files that are none.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device};
use candle_core::Tensor;
use candle_core::quantized::gguf_file::{Content, Value, write};
use candle_core::quantized::{GgmlDType, QTensor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use saffron_core::{LayoutOrigin, TextPolicy, Vocabulary};
use saffron_mrm::checkpoint::{Checkpoint, GgufWeights};
use saffron_mrm::engine::Engine;
use saffron_mrm::nn::Decoder;
use saffron_mrm::text::{Message, TextTokenizer};
use saffron_mrm::{LmPolicy, LoadError, ModelOptions, Mrm, RopeScaling};

use crate::fixtures::{MODELS, copy, dir, edit_json, gap, logits, reference};
use crate::sentence_piece;

/// The parts of a GGUF, before it is written.
pub(crate) struct Parts {
    metadata: BTreeMap<String, Value>,
    tensors: BTreeMap<String, QTensor>,
}

impl Parts {
    /// A fixture's policy, its matrices in a type of ggml's.
    pub(crate) fn of(model: &str, kind: GgmlDType) -> Self {
        Self::of_directory(&dir(model).join("policy"), kind)
    }

    fn of_directory(from: &Path, kind: GgmlDType) -> Self {
        let (out, from) = (tempfile::tempdir().unwrap(), copy(from));
        // One of the tiny models cuts no words, which no pre-tokenizer of the format does.
        edit_json(&from.path().join("tokenizer.json"), |tokenizer| {
            tokenizer["pre_tokenizer"]["use_regex"] = true.into();
        });
        Checkpoint::open(from.path()).unwrap().export_gguf(&out.path().join("model"), GgufWeights::F32).unwrap();
        let mut parts = Self::read(&out.path().join("model/model.gguf"));
        for tensor in parts.tensors.values_mut().filter(|tensor| tensor.shape().rank() == 2) {
            let values = tensor.dequantize(&candle_core::Device::Cpu).unwrap();
            *tensor = QTensor::quantize(&values, kind).unwrap();
        }
        let template = "{{ bos_token }}{{ messages[0].content }}";
        parts.with("tokenizer.chat_template", Value::String(template.to_owned()))
    }

    /// Of a file.
    pub(crate) fn read(path: &Path) -> Self {
        let mut file = File::open(path).unwrap();
        let content = Content::read(&mut file).unwrap();
        let mut tensor = |name: &String| content.tensor(&mut file, name, &candle_core::Device::Cpu).unwrap();
        let tensors = content.tensor_infos.keys().map(|name| (name.clone(), tensor(name))).collect();
        Self { metadata: content.metadata.into_iter().collect(), tensors }
    }

    pub(crate) fn with_tensor(mut self, name: &str, values: Vec<f32>, shape: &[usize]) -> Self {
        self.tensors.insert(name.to_owned(), quantised(values, shape, GgmlDType::F32));
        self
    }

    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        self.metadata.insert(key.to_owned(), value);
        self
    }

    pub(crate) fn without(mut self, key: &str) -> Self {
        assert!(self.metadata.remove(key).is_some() || self.tensors.remove(key).is_some(), "{key}");
        self
    }

    /// The tensors dealt out to several files, the metadata in the first alone.
    pub(crate) fn split(self, count: usize) -> Vec<Self> {
        let total = self.tensors.len();
        let mut parts: Vec<Self> = (0..count)
            .map(|number| {
                let metadata = if number == 0 { self.metadata.clone() } else { BTreeMap::new() };
                let part = Self { metadata, tensors: BTreeMap::new() };
                let part = part.with("split.no", Value::U16(number as u16));
                part.with("split.count", Value::U16(count as u16)).with("split.tensors.count", Value::I32(total as i32))
            })
            .collect();
        for (place, (name, tensor)) in self.tensors.into_iter().enumerate() {
            parts[place * count / total].tensors.insert(name, tensor);
        }
        parts
    }

    /// The name of one tensor.
    pub(crate) fn first_tensor(&self) -> &str {
        self.tensors.keys().next().unwrap()
    }

    pub(crate) fn write(&self, path: &Path) {
        let metadata: Vec<(&str, &Value)> = self.metadata.iter().map(|(key, value)| (&key[..], value)).collect();
        let tensors: Vec<(&str, &QTensor)> = self.tensors.iter().map(|(name, tensor)| (&name[..], tensor)).collect();
        write(&mut File::create(path).unwrap(), &metadata, &tensors).unwrap();
    }

    /// Written into a folder of its own.
    pub(crate) fn file(&self) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        self.write(&path);
        (folder, path)
    }

    pub(crate) fn error(&self) -> String {
        let (_folder, path) = self.file();
        open(&path).unwrap_err().to_string()
    }
}

/// Everything that is read of a file.
fn open(path: &Path) -> Result<Decoder, LoadError> {
    let checkpoint = Checkpoint::open(path)?;
    let tokenizer = checkpoint.tokenizer()?;
    checkpoint.end_tokens(&tokenizer)?;
    checkpoint.chat_template()?;
    Decoder::from_dir(path, DType::F32, &Device::flex())
}

pub(crate) fn quantised(values: Vec<f32>, shape: &[usize], kind: GgmlDType) -> QTensor {
    QTensor::quantize(&Tensor::from_vec(values, shape, &candle_core::Device::Cpu).unwrap(), kind).unwrap()
}

pub(crate) fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Value {
    Value::Array(texts.into_iter().map(|text| Value::String(text.to_owned())).collect())
}

pub(crate) fn number(number: usize) -> Value {
    Value::U32(number as u32)
}

#[test]
fn a_gguf_is_the_model_of_its_directory() {
    for model in MODELS {
        let from = dir(model).join("policy");
        let (_folder, path) = Parts::of(model, GgmlDType::F32).file();
        let (file, folder) = (Checkpoint::open(&path).unwrap(), Checkpoint::open(&from).unwrap());
        let (config, expected) = (file.config().unwrap(), folder.config().unwrap());
        assert_eq!(config, expected);
        let (tokenizer, other) = (file.tokenizer().unwrap(), folder.tokenizer().unwrap());
        assert_eq!((tokenizer.id(), tokenizer.bos(), tokenizer.eos()), (other.id(), other.bos(), other.eos()));
        assert_eq!(file.end_tokens(&tokenizer).unwrap(), folder.end_tokens(&other).unwrap());
        let rendered = file.chat_template().unwrap().unwrap().render(&[Message::user("Hi")]).unwrap();
        assert_eq!(rendered, "<|bos|>Hi");
        let known = reference(model);
        let mut engine = Engine::open(&path, &Device::flex(), ModelOptions::default()).unwrap();
        for (found, expected) in logits(&mut engine, &known.sequences).iter().zip(&known.logits) {
            assert!(gap(found, expected) <= 1e-4, "{model}");
        }
    }
}

#[test]
fn a_gguf_serves_as_policy_and_as_base_of_a_reward_model() {
    let (_folder, path) = Parts::of("tiny-b", GgmlDType::F32).file();
    let policy = LmPolicy::open(&path, &Device::flex()).unwrap();
    let session = policy.session("one question").unwrap();
    assert_eq!(policy.context(&session).unwrap()[0], 0, "the beginning of a sequence comes from the metadata");
    let (_folder, path) = Parts::of_directory(&dir("tiny-b").join("guard"), GgmlDType::F32).file();
    let mrm =
        Mrm::builder(&path, &Device::flex(), ModelOptions::default()).unwrap().with_adapter(dir("tiny-b").join("mrm"));
    assert!(mrm.is_ok(), "{:?}", mrm.err());
}

/// The metadata of a SentencePiece tokenizer, with a space before texts or without, and of a
/// template.
fn spaced(space: bool, template: &str) -> Parts {
    let (mut pieces, merges) = sentence_piece::pieces();
    // A piece that is joined earlier has a higher score.
    let rank = |piece: &str| merges.iter().position(|[left, right]| format!("{left}{right}") == *piece);
    let scores =
        pieces.iter().map(|piece| Value::F32(-(rank(piece).unwrap_or(merges.len()) as f32))).collect::<Vec<_>>();
    let kinds = (0..pieces.len()).map(|id| match id {
        0 => 2,
        1 | 2 => 3,
        3..=5 => 6,
        _ => 1,
    });
    let mut kinds: Vec<Value> = kinds.map(Value::I32).collect();
    let unused = sentence_piece::SIZE - pieces.len();
    let scores = scores.into_iter().chain(vec![Value::F32(-1e6); unused]).collect();
    pieces.extend((0..unused).map(|place| format!("unused{place}")));
    kinds.extend(vec![Value::I32(5); unused]);
    let parts = Parts::of("tiny-b", GgmlDType::F32).without("tokenizer.ggml.pre").without("tokenizer.ggml.merges");
    parts
        .with("tokenizer.ggml.model", Value::String(String::from("llama")))
        .with("tokenizer.ggml.tokens", texts(pieces.iter().map(String::as_str)))
        .with("tokenizer.ggml.token_type", Value::Array(kinds))
        .with("tokenizer.ggml.scores", Value::Array(scores))
        .with("tokenizer.ggml.add_space_prefix", Value::Bool(space))
        .with("tokenizer.ggml.bos_token_id", number(1))
        .with("tokenizer.ggml.eos_token_id", number(2))
        .with("tokenizer.chat_template", Value::String(template.to_owned()))
}

#[test]
fn a_gguf_encodes_prompts_together_with_its_template() {
    let template = "{{ bos_token }}{% for m in messages %}{{ '[INST] ' + m.content + ' [/INST]' }}{% endfor %}";
    for space in [true, false] {
        let (_folder, path) = spaced(space, template).file();
        let policy = LmPolicy::open(&path, &Device::flex()).unwrap();
        assert_eq!(policy.layout_origin(), &LayoutOrigin::Template);
        let pieces = |context: &[u32]| {
            let all = sentence_piece::pieces().0;
            context.iter().map(|id| all[*id as usize].clone()).collect::<Vec<_>>()
        };
        let first = if space { vec!["▁[", "INST"] } else { vec!["[", "INST"] };
        let rest = ["]", "▁What", "▁is", "▁the", "▁capital", "▁of", "▁France", "?", "▁[", "/", "INST", "]"];
        let expected = [&["<s>"][..], &first, &rest].concat();
        let session = policy.session("What is the capital of France?").unwrap();
        assert_eq!(pieces(&policy.context(&session).unwrap()), expected, "{space}");
        let special = policy.context(&policy.session("a</s>b<s>").unwrap()).unwrap();
        assert_eq!(special.iter().filter(|id| **id < 3).count(), 1, "{space}: the beginning of the sequence alone");
    }
}

/// The tokenizer of a file with SentencePiece's pieces, and the id of an ordinary one of them.
fn with_piece(piece: &str, change: impl FnOnce(Parts, u32) -> Parts) -> (TextTokenizer, u32) {
    let id = sentence_piece::pieces().0.iter().position(|known| known == piece).unwrap() as u32;
    let (_folder, path) = change(spaced(false, "{{ bos_token }}{{ messages[0].content }}"), id).file();
    (Checkpoint::open(&path).unwrap().tokenizer().unwrap(), id)
}

#[test]
fn no_text_becomes_a_token_that_a_file_names_by_its_role() {
    let (plain, id) = with_piece("INST", |parts, _| parts);
    assert!(plain.encode("[INST]").unwrap().contains(&id), "an ordinary piece");
    for role in ["eot", "eom", "padding", "unknown", "fim_pre", "fim_sep", "seperator", "cls", "mask", "suffix"] {
        let key = format!("tokenizer.ggml.{role}_token_id");
        let (tokenizer, id) = with_piece("INST", |parts, id| parts.with(&key, number(id as usize)));
        assert!(tokenizer.is_control(id), "{role}");
        let said = tokenizer.encode("a [INST] b").unwrap();
        assert!(!said.contains(&id), "{role}: {said:?}");
        assert_eq!(tokenizer.decode_text(&said).unwrap(), "a [INST] b", "{role}: nothing of it is lost");
        assert_eq!(tokenizer.id(), plain.id(), "{role}: ordinary ids mean the same");
    }
    let (tokenizer, id) =
        with_piece("INST", |parts, id| parts.with("tokenizer.ggml.eot_token_id", number(id as usize)));
    assert!(tokenizer.encode_markup("aINSTb").unwrap().contains(&id), "a layout's own text may");
    let (tokenizer, id) =
        with_piece("INST", |parts, id| parts.with("tokenizer.ggml.padding_token_id", number(id as usize)));
    assert_eq!(tokenizer.decode_text(&[id]).unwrap(), "INST", "a reply keeps its words");
}

#[test]
fn letters_that_a_file_names_stay_letters_and_ids_without_a_token_name_none() {
    for role in ["padding", "fim_pad"] {
        let key = format!("tokenizer.ggml.{role}_token_id");
        let (tokenizer, id) = with_piece("!", |parts, id| parts.with(&key, number(id as usize)));
        assert!(!tokenizer.is_control(id) && tokenizer.encode("!").unwrap().contains(&id), "{role}");
    }
    for value in [number(100_000), Value::I32(-1)] {
        let (tokenizer, id) = with_piece("INST", |parts, _| parts.with("tokenizer.ggml.fim_rep_token_id", value));
        assert!(!tokenizer.is_control(id));
    }
}

#[test]
fn added_tokens_that_a_files_templates_write_are_control_tokens() {
    let piece = |template: &str, key: &str| {
        let template = Value::String(template.to_owned());
        let (tokenizer, id) = with_piece("INST", |parts, id| {
            let Value::Array(mut kinds) = parts.metadata["tokenizer.ggml.token_type"].clone() else { panic!("kinds") };
            kinds[id as usize] = Value::I32(4);
            parts.with("tokenizer.ggml.token_type", Value::Array(kinds)).with(key, template)
        });
        (tokenizer.is_control(id), tokenizer.encode("a INST").unwrap().contains(&id))
    };
    let main = "tokenizer.chat_template";
    assert_eq!(piece("{{ messages[0].content ~ 'INST' }}", main), (true, false));
    assert_eq!(piece("{{ messages[0].content }}", main), (false, true));
    assert_eq!(piece("{{ messages[0].content ~ 'INST' }}", "tokenizer.chat_template.tool_use"), (true, false));
}

/// Pieces that are all made of each other: as many merges as the square of their lengths.
#[test]
fn a_vocabulary_of_too_many_merges_is_refused_before_they_are_made() {
    let mut pieces: Vec<String> = ('a'..='z').map(String::from).collect();
    for pair in [["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"], ["i", "j"], ["k", "l"], ["m", "n"], ["o", "p"]] {
        for length in 2..=250 {
            for first in 0..2 {
                pieces.push((0..length).map(|place| pair[(place + first) % 2]).collect());
            }
        }
    }
    let parts = Parts::of("tiny-b", GgmlDType::F32).without("tokenizer.ggml.pre").without("tokenizer.ggml.merges");
    let parts = parts
        .with("tokenizer.ggml.model", Value::String(String::from("llama")))
        .with("tokenizer.ggml.tokens", texts(pieces.iter().map(String::as_str)))
        .with("tokenizer.ggml.token_type", Value::Array(vec![Value::I32(1); pieces.len()]))
        .with("tokenizer.ggml.scores", Value::Array(vec![Value::F32(0.0); pieces.len()]));
    let error = parts.error();
    assert!(error.contains("tokenizer.ggml.tokens: expected pieces of a language, with at most"), "{error}");
}

#[test]
fn every_type_of_weights_is_widened() {
    let exact = Decoder::from_dir(&dir("tiny-a").join("policy"), DType::F32, &Device::flex()).unwrap();
    let values = |decoder: &Decoder| {
        decoder.matrices().flat_map(|matrix| matrix.to_data().try_to_vec::<f32>().unwrap()).collect::<Vec<f32>>()
    };
    let exact = values(&exact);
    let largest = exact.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    // Steps of a block are an n-th of its largest value.
    let kinds = [
        (GgmlDType::F16, 1e-3),
        (GgmlDType::BF16, 8e-3),
        (GgmlDType::Q4_0, 0.15),
        (GgmlDType::Q4_1, 0.15),
        (GgmlDType::Q5_0, 0.08),
        (GgmlDType::Q5_1, 0.08),
        (GgmlDType::Q8_0, 0.01),
    ];
    for (kind, bound) in kinds {
        let (_folder, path) = Parts::of("tiny-a", kind).file();
        let found = values(&open(&path).unwrap());
        let gap = found.iter().zip(&exact).fold(0f32, |gap, (one, other)| gap.max((one - other).abs()));
        assert!(gap > 0.0 && gap <= bound * largest, "{kind:?}: {} of the largest value", gap / largest);
    }
}

/// A K-quant is a block of 256 values, wider than the tiny models.
#[test]
fn k_quants_are_widened() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let values: Vec<f32> = (0..256 * 4).map(|_| random.next_u32() as f32 / u32::MAX as f32 - 0.5).collect();
    let kinds = [
        (GgmlDType::Q2K, 0.35),
        (GgmlDType::Q3K, 0.2),
        (GgmlDType::Q4K, 0.08),
        (GgmlDType::Q5K, 0.05),
        (GgmlDType::Q6K, 0.03),
    ];
    for (kind, bound) in kinds {
        let mut parts = Parts::of("tiny-a", GgmlDType::F32);
        // A model of one layer whose width is a block.
        for (key, size) in [("embedding_length", 256), ("feed_forward_length", 256), ("block_count", 1)] {
            parts = parts.with(&format!("llama.{key}"), number(size));
        }
        for (name, size) in [("attention.head_count", 4), ("attention.head_count_kv", 4)] {
            parts = parts.with(&format!("llama.{name}"), number(size));
        }
        for width in ["attention.key_length", "attention.value_length", "rope.dimension_count"] {
            parts = parts.with(&format!("llama.{width}"), number(64));
        }
        let matrix = |rows: usize| {
            let values: Vec<f32> = values.iter().cycle().take(rows * 256).copied().collect();
            quantised(values, &[rows, 256], kind)
        };
        parts.tensors.clear();
        parts.tensors.insert(String::from("token_embd.weight"), matrix(100));
        for name in ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"] {
            parts.tensors.insert(format!("blk.0.{name}.weight"), matrix(256));
        }
        for name in ["output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"] {
            parts.tensors.insert(format!("{name}.weight"), quantised(vec![1.0; 256], &[256], GgmlDType::F32));
        }
        let (_folder, path) = parts.file();
        let found = open(&path).unwrap().embedding().to_data().try_to_vec::<f32>().unwrap();
        let expected = values.iter().cycle();
        let gap = found.iter().zip(expected).fold(0f32, |gap, (one, other)| gap.max((one - other).abs()));
        assert!(gap > 0.0 && gap <= bound, "{kind:?}: {gap}");
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let parts = || Parts::of("tiny-b", GgmlDType::F32);
    let text = |text: &str| Value::String(text.to_owned());
    let cases = [
        (parts().with("general.architecture", text("mamba2")), ["general.architecture", "llama", "mamba2"]),
        (parts().with("llama.expert_count", number(8)), ["llama.expert_count", "0", "8"]),
        (parts().with("llama.rope.scaling.type", text("ntk")), ["llama.rope.scaling.type", "none", "ntk"]),
        (parts().with("llama.rope.dimension_count", number(16)), ["llama.rope.dimension_count", "32", "16"]),
        (parts().without("llama.block_count"), ["llama.block_count", "a value", "none"]),
        (parts().with("llama.block_count", text("three")), ["llama.block_count", "a number", "String"]),
        (parts().with("llama.attention.head_count_kv", number(4)), ["num_key_value_heads", "divisor", "4"]),
        (parts().with("tokenizer.ggml.pre", text("viking")), ["tokenizer.ggml.pre", "llama-bpe", "viking"]),
        (parts().with("tokenizer.ggml.model", text("bert")), ["tokenizer.ggml.model", "gpt2", "bert"]),
        (parts().with("tokenizer.ggml.eos_token_id", number(190)), ["eos_token_id", "190", "190"]),
        (parts().with("tokenizer.ggml.merges", texts(["a b c"])), ["tokenizer.ggml.merges", "two pieces", "a b c"]),
        (parts().with("tokenizer.ggml.merges", texts(["! \""])), ["tokenizer.ggml.merges", "make one", "!"]),
        (parts().with("tokenizer.chat_template", text("{% if %}")), ["model.gguf", "layout", "syntax"]),
        (parts().without("blk.1.attn_q.weight"), ["missing", "layers.1.self_attn.q_proj", "1 "]),
        (parts().with("llama.feed_forward_length", number(64)), ["expected shape", "mlp.down_proj", "64"]),
        (parts().with("general.alignment", number(0)), ["general.alignment", "power of two", "0"]),
    ];
    for (parts, words) in cases {
        let error = parts.error();
        assert!(words.iter().all(|word| error.contains(word)), "{words:?} in {error}");
    }
    let mut odd = parts();
    odd.tensors.insert(String::from("rope_freqs.weight"), quantised(vec![3.0; 16], &[16], GgmlDType::F32));
    assert!(odd.error().contains("rope_freqs.weight"), "{}", odd.error());
    let mut twice = parts();
    let (_folder, path) = twice.file();
    let (honest, mut bytes) = (fs::read(&path).unwrap(), fs::read(&path).unwrap());
    // The offset of a tensor stands behind its name, dimensions and type; all of them point at the first.
    let name = b"blk.1.ffn_norm.weight";
    let place = honest.windows(name.len()).position(|window| window == name).unwrap() + name.len() + 4 + 8 + 4;
    bytes[place..place + 8].fill(0);
    fs::write(&path, bytes).unwrap();
    let error = open(&path).unwrap_err().to_string();
    assert!(error.contains("behind another tensor's"), "{error}");
    twice.tensors.clear();
    assert!(twice.error().contains("vocab_size"), "{}", twice.error());
    let mut more = parts();
    more.tensors.insert(String::from("blk.0.ffn_gate_inp.weight"), quantised(vec![1.0; 4], &[4], GgmlDType::F32));
    assert!(more.error().contains("unexpected tensors: blk.0.ffn_gate_inp.weight"), "{}", more.error());
}

#[test]
fn positions_are_scaled_by_the_keys_that_scale_them() {
    let parts = || Parts::of("tiny-a", GgmlDType::F32);
    let (kind, real) = (|text: &str| Value::String(text.to_owned()), Value::F32);
    let factor = "llama.rope.scaling.factor";
    let refused = [
        (parts().with("llama.rope.scaling.attn_factor", real(1.5)), ["llama.rope.scaling.attn_factor", "1", "1.5"]),
        (
            parts().with("llama.rope.scaling.yarn_ext_factor", real(1.0)),
            ["llama.rope.scaling.yarn_ext_factor", "nothing", "a value"],
        ),
        (parts().with("llama.rope.dimension_sections", texts(["a"])), ["llama.rope.dimension_sections", "nothing", ""]),
        (
            parts().with("llama.rope.scaling.type", kind("longrope")),
            ["rope_factors_long.weight", "longrope", "no such tensor"],
        ),
    ];
    for (parts, words) in refused {
        let error = parts.error();
        assert!(words.iter().all(|word| error.contains(word)), "{words:?} in {error}");
    }
    let linear = [
        (parts().with("llama.rope.scale_linear", real(4.0)), 4.0),
        (parts().with(factor, real(2.0)), 2.0),
        (parts().with(factor, real(2.0)).with("llama.rope.scaling.type", kind("linear")), 2.0),
    ];
    for (parts, factor) in linear {
        let (_folder, path) = parts.file();
        let found = open(&path).unwrap().config().layer(0).rotary.as_ref().unwrap().scaling.clone();
        assert_eq!(found, RopeScaling::Linear { factor });
    }
    // What llama.cpp takes for no scaling: factors of 1 and 0, an old key beside a new one, a kind
    // that turns factors off.
    let plain = [
        parts().with(factor, real(1.0)),
        parts().with(factor, real(0.0)),
        parts().with("llama.rope.scale_linear", real(1.0)),
        parts().with(factor, real(1.0)).with("llama.rope.scale_linear", real(4.0)),
        parts().with(factor, real(4.0)).with("llama.rope.scaling.type", kind("none")),
        parts().with("llama.rope.scaling.attn_factor", real(1.0)).with("llama.rope.scaling.type", kind("linear")),
        parts().with("llama.rope.scaling.original_context_length", number(64)),
    ];
    for parts in plain {
        let (_folder, path) = parts.file();
        assert_eq!(open(&path).unwrap().config().layer(0).rotary.as_ref().unwrap().scaling, RopeScaling::Plain);
    }
}

/// A header by hand: what a writer would not write.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn header(tensors: u64, fields: u64) -> Self {
        Self::default().raw(b"GGUF").u32(3).u64(tensors).u64(fields)
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn u32(self, number: u32) -> Self {
        self.raw(&number.to_le_bytes())
    }

    fn u64(self, number: u64) -> Self {
        self.raw(&number.to_le_bytes())
    }

    fn text(self, text: &str) -> Self {
        self.u64(text.len() as u64).raw(text.as_bytes())
    }

    fn error(self) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        fs::write(&path, self.0).unwrap();
        open(&path).unwrap_err().to_string()
    }
}

#[test]
fn hostile_headers_are_refused() {
    let list = |kind: u32, count: u64| Bytes::header(0, 1).text("list").u32(9).u32(kind).u64(count);
    let deep = (0..8).fold(Bytes::header(0, 1).text("deep").u32(9), |bytes, _| bytes.u32(9).u64(1));
    let tensor = |dimensions: &[u64]| {
        let bytes = Bytes::header(1, 0).text("big").u32(dimensions.len() as u32);
        dimensions.iter().fold(bytes, |bytes, size| bytes.u64(*size)).u32(0).u64(0).raw(&[0; 64])
    };
    let cases = [
        (Bytes::default(), "the magic number"),
        (Bytes::default().raw(b"GGML").u64(0), "expected GGUF, found GGML"),
        (Bytes::default().raw(b"GGUF").u32(1).u64(0).u64(0), "expected 2 or 3, found 1"),
        (Bytes::header(u64::MAX, 0), "the number of tensors"),
        (Bytes::header(0, u64::MAX), "the number of fields"),
        (Bytes::header(0, 1 << 40).raw(&[0; 64]), "the number of fields"),
        (Bytes::header(0, 1).u64(u64::MAX - 3).raw(&[0; 64]), "a field's name: expected at most 1024 bytes"),
        (Bytes::header(0, 1).text("text").u32(8).u64(u64::MAX), "text: expected bytes within the file's"),
        (
            Bytes::header(0, 1).text("kind").u32(77).raw(&[0; 64]),
            "kind: expected a type of value from 0 to 12, found 77",
        ),
        (list(0, u64::MAX), "list: expected at most 2097152 values"),
        (list(4, 1 << 62), "list: expected at most"),
        (list(8, u64::MAX).raw(&[0; 64]), "list: expected bytes within"),
        (list(4, 1 << 20), "list: expected bytes within"),
        (deep, "deep: expected lists at most 2 deep"),
        (tensor(&[1 << 32, 1 << 32]), "big: expected 1 to 2^48 values"),
        (tensor(&[0]), "big: expected 1 to 2^48 values"),
        (Bytes::header(0, 1).text("general.alignment\0").u32(4).u32(0).raw(&[0; 64]), "a name without zeros"),
        (tensor(&[1; 5]), "big: expected at most 4 dimensions"),
        (tensor(&[1 << 40]), "big: expected"),
        (Bytes::header(1, 0).text("kind").u32(1).u64(32).u32(16).u64(0).raw(&[0; 64]), "kind: expected F32, F16"),
        (
            Bytes::header(2, 0).text("twin").u32(0).u32(0).u64(0).text("twin").u32(0).u32(0).u64(0).raw(&[0; 64]),
            "tensors: expected 2 of different names, found 1",
        ),
        (Bytes::header(0, 1).text("general.alignment").u32(4).u32(24).raw(&[0; 64]), "power of two"),
    ];
    for (bytes, words) in cases {
        let error = bytes.error();
        assert!(error.contains(words), "{words:?} in {error}");
    }
}

#[test]
fn a_file_that_ends_early_is_refused_wherever_it_ends() {
    let (_folder, path) = Parts::of("tiny-a", GgmlDType::Q8_0).file();
    let whole = fs::read(&path).unwrap();
    let short = path.with_file_name("short.gguf");
    // The last tensor is followed by up to 31 bytes of nothing.
    for length in (0..whole.len() - 33).step_by(997).chain([whole.len() - 33]) {
        fs::write(&short, &whole[..length]).unwrap();
        assert!(open(&short).is_err(), "{length} of {} bytes", whole.len());
    }
}

#[test]
fn damaged_files_give_errors_or_models_and_nothing_else() {
    let (_folder, path) = Parts::of("tiny-a", GgmlDType::Q8_0).file();
    let whole = fs::read(&path).unwrap();
    let damaged = path.with_file_name("damaged.gguf");
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut refused = 0;
    for _ in 0..400 {
        let mut bytes = whole.clone();
        // Where the header is: weights may hold any bytes.
        for _ in 0..=random.next_u32() % 4 {
            let place = random.next_u32() as usize % 6_000.min(bytes.len());
            bytes[place] = random.next_u32() as u8;
        }
        fs::write(&damaged, &bytes).unwrap();
        refused += usize::from(open(&damaged).is_err());
    }
    assert!(refused > 100, "only {refused} of 400 were refused");
}

/// `scripts/fetch_smollm2.sh models/smollm2` puts both there.
#[test]
#[ignore = "needs models/smollm2 with model.gguf: scripts/fetch_smollm2.sh models/smollm2"]
fn smollm2_as_gguf_is_the_converted_directory() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/smollm2");
    let path = folder.join("model.gguf");
    let (file, directory) = (Checkpoint::open(&path).unwrap(), Checkpoint::open(&folder).unwrap());
    assert_eq!(file.config().unwrap(), directory.config().unwrap());
    let (tokenizer, other) = (file.tokenizer().unwrap(), directory.tokenizer().unwrap());
    assert_eq!(tokenizer.id(), other.id());
    assert_eq!(file.end_tokens(&tokenizer).unwrap(), directory.end_tokens(&other).unwrap());
    let template = |checkpoint: &Checkpoint| {
        let template = checkpoint.chat_template().unwrap().unwrap();
        template.render(&[Message::user("Hi"), Message::assistant("Hello."), Message::user("Bye")]).unwrap()
    };
    assert_eq!(template(&file), template(&directory));
    let texts = ["What is the capital of France?", "1234 + 5678 = 6912", "ünïcödé 漢字 🎉\n\n  <|im_end|> don't"];
    let sequences: Vec<Vec<u32>> = texts.iter().map(|text| tokenizer.encode(text).unwrap()).collect();
    assert_eq!(sequences, texts.map(|text| other.encode(text).unwrap()));
    let open = |path: &Path| Engine::open(path, &Device::flex(), ModelOptions::default()).unwrap();
    assert!(logits(&mut open(&path), &sequences) == logits(&mut open(&folder), &sequences), "the same bits");
}

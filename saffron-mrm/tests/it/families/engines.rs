//! Reward models as engines load them: every family in every format, read again here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device};
use saffron_core::{RewardHead, ServedHead, Token};
use saffron_mrm::checkpoint::safetensors::SafetensorsFile;
use saffron_mrm::checkpoint::{EngineFormat, GgufWeights, LoraWeights, MrmExport, Reference, ReferenceReason};
use saffron_mrm::engine::{Engine, Merge};
use saffron_mrm::{BiasUse, DecoderConfig, LoadError, Mrm, MrmInput, RewardHeadFiles};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::gguf::{CHANGED, unsaid};
use super::numbers::options;
use super::{families, path, within};
use crate::fixtures::{assert_says, copy, edit_json, logits, reference};

/// How far logits of what was written may lie from those of the model here.
const TOLERANCE: f32 = 1e-4;
const F32: EngineFormat = EngineFormat::Merged(DType::F32);
const GGUF: EngineFormat = EngineFormat::Gguf(GgufWeights::F32);
/// The columns of the table in docs/export.md: a name, the format, and whether with a reference.
const COLUMNS: [(&str, EngineFormat, bool); 7] = [
    ("merged", F32, false),
    ("merged, reference", F32, true),
    ("lora", EngineFormat::Lora, false),
    ("lora, reference", EngineFormat::Lora, true),
    ("gguf", GGUF, false),
    ("gguf, reference", GGUF, true),
    ("head", EngineFormat::Head, false),
];

/// A fixture's reward model: base, adapter, and what it gives for contexts.
struct Fixture {
    name: String,
    base: PathBuf,
    adapter: PathBuf,
    mrm: Mrm,
    sequences: Vec<Vec<Token>>,
    rewards: Vec<Vec<f32>>,
    /// Where the base is a copy with changes, the copy.
    _changed: Option<TempDir>,
}

impl Fixture {
    fn of(name: &str) -> Self {
        let (mut base, adapter) = (path(name).join("guard"), path(name).join("mrm"));
        let scalar = CHANGED.iter().find(|(changed, _)| *changed == name).map(|(_, scalar)| scalar);
        let changed = scalar.map(|scalar| {
            let changed = copy(&base);
            edit_json(&changed.path().join("config.json"), |config| {
                let text = if config.get("text_config").is_some() { &mut config["text_config"] } else { config };
                text["query_pre_attn_scalar"] = json!(scalar);
            });
            base = changed.path().to_path_buf();
            changed
        });
        let mrm = Mrm::builder(&base, &Device::flex(), options(name)).unwrap().with_adapter(&adapter).unwrap();
        let mut mrm = mrm.with_input(MrmInput { bias: BiasUse::LeftOut, ..MrmInput::paper() });
        let sequences = reference(&within(name)).sequences;
        let rewards = mrm.raw_rewards(&sequences).unwrap();
        Self { name: name.to_owned(), base, adapter, mrm, sequences, rewards, _changed: changed }
    }

    fn export(&self) -> MrmExport {
        MrmExport::open(&self.base, Some(&self.adapter)).unwrap()
    }

    fn head(&mut self) -> ServedHead {
        self.mrm.served_head(&self.sequences[..2], false).unwrap()
    }

    fn family(&self) -> String {
        DecoderConfig::from_dir(&self.base).unwrap().choices.family.to_string()
    }

    /// The logits of what was written, or why it was refused.
    fn served(&mut self, format: EngineFormat, reference: bool) -> Result<Vec<Vec<f32>>, LoadError> {
        let folder = tempfile::tempdir().unwrap();
        let (to, head, export) = (folder.path().join("out"), self.head(), self.export());
        let reference = reference.then(|| export.reference(None, &head.head).unwrap());
        let written = export.write(&to, format, reference.as_ref(), head.clone());
        if written.is_err() {
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{}: nothing is left", self.name);
        }
        let files = written?.files;
        assert!(files.iter().all(|file| to.join(file).is_file()), "{files:?}");
        self.check_head(&to, reference.as_ref(), &head);
        let open = |path: &Path| Engine::open(path, &Device::flex(), options(&self.name)).unwrap();
        let mut engine = match format {
            EngineFormat::Merged(_) => open(&to),
            EngineFormat::Gguf(_) => open(&to.join("model.gguf")),
            EngineFormat::Lora => {
                let base = open(&self.base);
                let (lora, _) = LoraWeights::from_dir(&to, base.decoder().config(), &Device::flex()).unwrap();
                base.with_lora(lora, Merge::IntoWeights).unwrap()
            }
            _ => return Ok(self.rewards.clone()),
        };
        Ok(logits(&mut engine, &self.sequences))
    }

    /// The head beside what was written: the model's, with a reference that is unseen.
    fn check_head(&self, dir: &Path, reference: Option<&Reference>, head: &ServedHead) {
        let mut expected = head.head.clone();
        if let Some(reference) = reference {
            expected.unseen.insert(reference.token);
        }
        assert_eq!(RewardHead::from_dir(dir, expected.bias.len()).unwrap(), expected, "{}", self.name);
        let notes = notes(dir);
        assert_eq!(notes.get("reference").cloned(), reference.map(|reference| json!(reference.token)));
        for probe in notes["probes"].as_array().unwrap() {
            let (ids, logits) = (probe["ids"].as_array().unwrap(), probe["logits"].as_array().unwrap());
            assert_eq!(ids.len(), logits.len());
            let row = self.sequences.iter().position(|tokens| json!(tokens) == probe["tokens"]).unwrap();
            for (id, logit) in ids.iter().zip(logits) {
                let id = id.as_u64().unwrap() as usize;
                assert!(reference.is_none_or(|reference| reference.token as usize != id), "the reference is no probe");
                assert!((logit.as_f64().unwrap() as f32 - self.rewards[row][id]).abs() <= TOLERANCE);
            }
        }
    }
}

/// The notes of a head's file, which lies in a folder of its own beside the weights of a merged model.
fn notes(dir: &Path) -> Value {
    let path = [dir.join("head"), dir.to_owned()].map(|dir| dir.join("reward_head.safetensors"));
    let bytes = fs::read(path.iter().find(|path| path.is_file()).unwrap()).unwrap();
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    serde_json::from_str(&metadata.metadata().as_ref().unwrap()["saffron"]).unwrap()
}

/// Why a fixture is refused in a format, if it is.
fn refusal(name: &str, format: EngineFormat, reference: bool) -> Option<&'static str> {
    match format {
        EngineFormat::Lora if reference && name.starts_with("gemma") => Some("apart from the embedding"),
        EngineFormat::Gguf(_) if name == "gemma3-yarn" => Some("gemma3.rope.scaling.type"),
        EngineFormat::Gguf(_) if unsaid().iter().any(|(unsaid, ..)| *unsaid == name) => Some("can say"),
        EngineFormat::Gguf(_) if ["llama-yarn", "llama-yarn-factor"].contains(&name) => Some("for YaRN"),
        _ => None,
    }
}

fn largest_gap(found: &[Vec<f32>], expected: &[Vec<f32>], but: Option<Token>) -> f32 {
    let rows = found.iter().zip(expected).flat_map(|(found, expected)| {
        assert_eq!(found.len(), expected.len());
        found.iter().zip(expected).enumerate().filter(|(id, _)| but != Token::try_from(*id).ok())
    });
    rows.fold(0.0, |gap, (_, (found, expected))| gap.max((found - expected).abs()))
}

/// The table of docs/export.md: a family's row says what its fixtures do in every format.
#[test]
fn every_family_runs_in_every_format_or_is_refused_as_the_page_says() {
    let mut table: BTreeMap<String, BTreeMap<&str, bool>> = BTreeMap::new();
    let mut greatest = 0.0f32;
    for name in families() {
        let mut fixture = Fixture::of(&name);
        let row = table.entry(fixture.family()).or_default();
        for (column, format, with_reference) in COLUMNS {
            let token = (fixture.rewards[0].len() - 1) as Token;
            let rewards = fixture.rewards.clone();
            let found = fixture.served(format, with_reference);
            *row.entry(column).or_default() |= found.is_ok();
            match (found, refusal(&name, format, with_reference)) {
                (Err(error), Some(reason)) => assert_says(&error, &[reason]),
                (Err(error), None) => panic!("{name}, {column}: {error}"),
                (Ok(_), Some(reason)) => panic!("{name}, {column} is not refused: {reason}"),
                (Ok(logits), None) => {
                    let gap = largest_gap(&logits, &rewards, with_reference.then_some(token));
                    assert!(gap <= TOLERANCE, "{name}, {column}: {gap}");
                    greatest = greatest.max(gap);
                    if with_reference {
                        let zero = logits.iter().fold(0f32, |most, row| most.max(row[token as usize].abs()));
                        let most = if format == EngineFormat::Lora { 1e-5 } else { 0.0 };
                        assert!(zero <= most, "{name}, {column}: the reference's logit is {zero}");
                    }
                }
            }
        }
    }
    assert!(greatest > 0.0, "merging here rounds otherwise than the decoder does");
    let page = fs::read_to_string(crate::fixtures::dir("../docs/export.md")).unwrap();
    for (family, row) in table {
        let family = family.trim_end_matches("_text");
        let cell = |column: &(&str, EngineFormat, bool)| if row[column.0] { "run" } else { "refused" };
        let expected = format!("| `{family}` | {} |", COLUMNS.iter().map(cell).collect::<Vec<_>>().join(" | "));
        assert!(page.contains(&expected), "docs/export.md lacks: {expected}");
    }
}

#[test]
fn equal_models_give_equal_bytes() {
    for name in ["llama-lm-head", "qwen3", "gemma3"] {
        let mut fixture = Fixture::of(name);
        let (export, head) = (fixture.export(), fixture.head());
        let reference = export.reference(None, &head.head).unwrap();
        for (_, format, with_reference) in COLUMNS {
            if refusal(name, format, with_reference).is_some() {
                continue;
            }
            let folder = tempfile::tempdir().unwrap();
            let write = |to: &str| {
                let to = folder.path().join(to);
                let files =
                    export.write(&to, format, with_reference.then_some(&reference), head.clone()).unwrap().files;
                files.into_iter().map(|file| (file.clone(), fs::read(to.join(file)).unwrap())).collect::<Vec<_>>()
            };
            assert!(write("one") == write("other"), "{name} {format:?}");
        }
    }
}

#[test]
fn weights_of_fewer_bits_come_near() {
    let cases = [
        (EngineFormat::Merged(DType::F16), 2e-2),
        (EngineFormat::Merged(DType::BF16), 1e-1),
        (EngineFormat::Gguf(GgufWeights::F16), 2e-2),
        (EngineFormat::Gguf(GgufWeights::Q8_0), 2e-1),
    ];
    for name in ["llama", "qwen3", "gemma2"] {
        for (format, most) in cases {
            let mut fixture = Fixture::of(name);
            let largest = fixture.rewards.iter().flatten().fold(0f32, |largest, value| largest.max(value.abs()));
            let found = fixture.served(format, true).unwrap();
            let token = (found[0].len() - 1) as Token;
            let gap = largest_gap(&found, &fixture.rewards, Some(token)) / largest;
            assert!(gap > 0.0 && gap <= most, "{name} {format:?}: {gap}");
            assert!(found.iter().all(|row| row[token as usize] == 0.0), "{name}: zero in every type");
        }
    }
}

/// A fixture's rows are no multiple of 32 values, but for some.
#[test]
fn matrices_that_do_not_fit_into_blocks_are_named() {
    let mut fixture = Fixture::of("qwen3");
    let folder = tempfile::tempdir().unwrap();
    let (export, head) = (fixture.export(), fixture.head());
    let format = EngineFormat::Gguf(GgufWeights::Q8_0);
    let notes = export.write(&folder.path().join("out"), format, None, head).unwrap().notes;
    assert!(notes.iter().any(|note| note.contains("matrices stay f16")), "{notes:?}");
}

#[test]
fn a_gguf_as_base_gives_what_its_directory_gives() {
    for name in ["llama", "phi3-mini4", "gemma3"] {
        let mut fixture = Fixture::of(name);
        let folder = tempfile::tempdir().unwrap();
        let source = saffron_mrm::checkpoint::Checkpoint::open(&fixture.base).unwrap();
        source.export_gguf(&folder.path().join("base"), GgufWeights::F32).unwrap();
        fixture.base = folder.path().join("base/model.gguf");
        for format in [F32, GGUF] {
            let found = fixture.served(format, true).unwrap();
            let token = (found[0].len() - 1) as Token;
            let gap = largest_gap(&found, &fixture.rewards, Some(token));
            assert!(gap <= TOLERANCE, "{name} {format:?}: {gap}");
        }
    }
}

/// Whole weights with their own head need no adapter; a reference makes one.
#[test]
fn whole_weights_are_exported_without_an_adapter() {
    let mut fixture = Fixture::of("qwen2");
    let folder = tempfile::tempdir().unwrap();
    let (whole, head) = (folder.path().join("whole"), fixture.head());
    fixture.export().write(&whole, F32, None, head.clone()).unwrap();
    let export = MrmExport::open(&whole, None).unwrap();
    let reference = export.reference(None, &head.head).unwrap();
    let lora = folder.path().join("lora");
    let written = export.write(&lora, EngineFormat::Lora, Some(&reference), head.clone()).unwrap();
    assert_eq!(written.rank, Some(8));
    let base = Engine::open(&whole, &Device::flex(), options("qwen2")).unwrap();
    let (pairs, config) = LoraWeights::from_dir(&lora, base.decoder().config(), &Device::flex()).unwrap();
    assert_eq!((pairs.pairs.len(), config.r), (1, 8));
    let found = logits(&mut base.with_lora(pairs, Merge::Beside).unwrap(), &fixture.sequences);
    assert!(largest_gap(&found, &fixture.rewards, Some(reference.token)) <= TOLERANCE);
    let error = export.write(&folder.path().join("none"), EngineFormat::Lora, None, head).unwrap_err();
    assert_says(&error, &["an adapter, or a reference token", "whole weights"]);
}

/// Ranks and scales that differ between modules, which vLLM does not read, become one.
#[test]
fn an_adapter_of_several_ranks_becomes_one_of_one() {
    let mut fixture = Fixture::of("llama-lm-head");
    let before = fixture.rewards.clone();
    let changed = copy(&fixture.adapter);
    edit_json(&changed.path().join("adapter_config.json"), |config| config["alpha_pattern"] = json!({ "q_proj": 6 }));
    fixture.adapter = changed.path().to_path_buf();
    let mrm = Mrm::builder(&fixture.base, &Device::flex(), options("llama-lm-head")).unwrap();
    let mrm = mrm.with_adapter(&fixture.adapter).unwrap();
    fixture.mrm = mrm.with_input(MrmInput { bias: BiasUse::LeftOut, ..MrmInput::paper() });
    fixture.rewards = fixture.mrm.raw_rewards(&fixture.sequences).unwrap();
    assert!(largest_gap(&fixture.rewards, &before, None) > TOLERANCE, "the pattern matters");
    for reference in [false, true] {
        let found = fixture.served(EngineFormat::Lora, reference).unwrap();
        let token = (found[0].len() - 1) as Token;
        assert!(largest_gap(&found, &fixture.rewards, reference.then_some(token)) <= TOLERANCE, "{reference}");
    }
}

#[test]
fn what_cannot_be_written_is_refused_and_leaves_nothing() {
    let mut fixture = Fixture::of("llama");
    let folder = tempfile::tempdir().unwrap();
    let (export, head, taken) = (fixture.export(), fixture.head(), folder.path().join("taken"));
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("notes.txt"), "here").unwrap();
    let write = |to: &str, format, head: &ServedHead| {
        export.write(&folder.path().join(to), format, None, head.clone()).unwrap_err()
    };
    for (_, format, _) in COLUMNS {
        assert_says(&write("taken", format, &head), &["a new or an empty directory", "one that is not empty"]);
    }
    assert_says(&write("out", EngineFormat::Merged(DType::I32), &head), &["F32, BF16 or F16", "I32"]);
    let other = ServedHead::new(RewardHead::neutral(7));
    assert_says(&write("out", F32, &other), &["129 entries", "7"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "what was there alone");
}

#[test]
fn a_weight_that_f16_cannot_hold_is_refused() {
    let mut fixture = Fixture::of("llama");
    let changed = copy(&fixture.base);
    let mut file = SafetensorsFile::open(&changed.path().join("model.safetensors")).unwrap();
    let mut tensors = Vec::new();
    for name in file.names().map(str::to_owned).collect::<Vec<_>>() {
        let (shape, mut values) = (file.shape(&name).unwrap().to_vec(), file.read_f32(&name).unwrap());
        if name.ends_with("layers.1.mlp.up_proj.weight") {
            values[3] = 1e5;
        }
        tensors.push((name, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()));
    }
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).unwrap())
    });
    fs::write(changed.path().join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    fixture.base = changed.path().to_path_buf();
    for format in [EngineFormat::Merged(DType::F16), EngineFormat::Gguf(GgufWeights::F16)] {
        assert_says(&fixture.served(format, false).unwrap_err(), &["100000"]);
    }
}

/// A base whose tokenizer has a token for every row: the last five are control tokens that no
/// template writes.
fn full(name: &str) -> (TempDir, MrmExport, RewardHead) {
    let base = copy(&path(name).join("guard"));
    let config = DecoderConfig::from_dir(base.path()).unwrap();
    edit_json(&base.path().join("tokenizer.json"), |tokenizer| {
        let added = tokenizer["added_tokens"].as_array_mut().unwrap();
        let template = added[0].clone();
        added.extend((124..config.vocab_size).map(|id| {
            let mut token = template.clone();
            (token["id"], token["content"]) = (json!(id), json!(format!("<|reserved_{id}|>")));
            token
        }));
    });
    fs::write(base.path().join("chat_template.jinja"), "{{ messages[0].content }}<|reserved_127|>").unwrap();
    let export = MrmExport::open(base.path(), Some(&path(name).join("mrm"))).unwrap();
    (base, export, RewardHead::neutral(config.vocab_size))
}

#[test]
fn the_reference_is_a_row_that_nothing_uses() {
    let mut fixture = Fixture::of("llama");
    let chosen = fixture.export().reference(None, &fixture.head().head).unwrap();
    assert_eq!((chosen.token, &chosen.reason), (128, &ReferenceReason::Padding));
    assert!(chosen.to_string().contains("no token for this row"), "{chosen}");
    let (_base, export, mut head) = full("llama");
    assert_says(&export.reference(None, &head).unwrap_err(), &["must be named by its id", "none"]);
    // Ends of sequences and what templates write stay in use though they are unseen.
    for token in [0, 1, 125, 127] {
        head.unseen.insert(token);
    }
    let chosen = export.reference(None, &head).unwrap();
    assert_eq!((chosen.token, chosen.reason), (125, ReferenceReason::Control(String::from("<|reserved_125|>"))));
}

#[test]
fn a_reference_that_is_in_use_is_refused() {
    let (_base, export, mut head) = full("llama");
    // A word that the template does not spell.
    let word = 40;
    for token in [0, 1, word, 126, 127] {
        head.unseen.insert(token);
    }
    let refused = |token| export.reference(Some(token), &head).unwrap_err();
    assert_says(&refused(129), &["an id below 129", "129"]);
    assert_says(&refused(0), &["not in use", "begins or ends sequences"]);
    assert_says(&refused(1), &["not in use", "begins or ends sequences"]);
    assert_says(&refused(127), &["not in use", "chat template"]);
    assert_says(&refused(125), &["not in use", "has seen"]);
    assert_says(&refused(30), &["not in use", "has seen"]);
    // Its row of the unembedding alone is zero, so an ordinary word that is unseen may be one.
    assert!(matches!(export.reference(Some(word), &head).unwrap().reason, ReferenceReason::Named(_)));
    assert!(matches!(export.reference(Some(126), &head).unwrap().reason, ReferenceReason::Named(_)));
    let (_base, gemma, _) = full("gemma2");
    assert_says(&gemma.reference(Some(word), &head).unwrap_err(), &["a control token", "an ordinary word"]);
    assert_eq!(gemma.reference(Some(126), &head).unwrap().token, 126);
}

/// A tokenizer that the format cannot say is refused with what to do instead.
#[test]
fn tokenizers_that_a_gguf_cannot_say_are_refused() {
    type Change = fn(&mut Value);
    let cases: [(&str, Change); 4] = [
        ("SentencePiece", |tokenizer| tokenizer["model"]["byte_fallback"] = json!(true)),
        ("ignore_merges true", |tokenizer| tokenizer["model"]["ignore_merges"] = json!(true)),
        ("Whitespace", |tokenizer| tokenizer["pre_tokenizer"] = json!({ "type": "Whitespace" })),
        ("llama.cpp's converter", |tokenizer| tokenizer["normalizer"] = json!({ "type": "NFKC" })),
    ];
    let mut fixture = Fixture::of("qwen3");
    for (says, change) in cases {
        let changed = copy(&path("qwen3").join("guard"));
        edit_json(&changed.path().join("tokenizer.json"), change);
        fixture.base = changed.path().to_path_buf();
        assert_says(&fixture.served(GGUF, false).unwrap_err(), &[says, "llama.cpp's converter"]);
    }
}

//! Seeded damage to whole directories: what opens them gives errors or models and nothing else.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use saffron_core::random::below;
use saffron_mrm::RewardHead;
use saffron_mrm::checkpoint::peft::base_of_adapter;
use saffron_mrm::checkpoint::safetensors::SafetensorsFile;
use saffron_mrm::checkpoint::{AdapterFile, RewardHeadFiles};
use saffron_mrm::{DecoderConfig, LoadError};
use serde_json::{Map, Value, json};

use crate::fixtures::{copy, dir};
use crate::torch_archive;

const CONFIG: &str = "adapter_config.json";

/// Everything that is read of an adapter.
fn open(dir: &Path, model: &DecoderConfig) -> Result<(), LoadError> {
    base_of_adapter(dir).ok();
    let head = RewardHead::from_dir(dir, model.vocab_size);
    AdapterFile::open(dir, model)?.read(&Device::flex())?;
    head.map(drop)
}

struct Damage(ChaCha8Rng);

impl Damage {
    fn below(&mut self, end: usize) -> usize {
        below(&mut self.0, end)
    }

    /// Bytes changed, taken out, doubled or cut off.
    fn bytes(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            if bytes.is_empty() {
                return;
            }
            let (from, length) = (self.below(bytes.len()), 1 + self.below(40));
            let to = (from + length).min(bytes.len());
            match self.below(6) {
                0 => bytes.truncate(from),
                1 => drop(bytes.drain(from..to)),
                2 => {
                    let part = bytes[from..to].to_vec();
                    bytes.splice(from..from, part);
                }
                3 => bytes[from..to].fill(self.0.next_u32() as u8),
                _ => bytes[from] = self.0.next_u32() as u8,
            }
        }
    }

    /// Some value where a configuration may have another.
    fn value(&mut self) -> Value {
        let values = [
            Value::Null,
            json!(true),
            json!(false),
            json!(0),
            json!(-1),
            json!(1u64 << 40),
            json!(1e308),
            json!(4),
            json!(""),
            json!("all-linear"),
            json!(".*"),
            json!("((a*)*)*b"),
            json!("(?=a)"),
            json!("[z-a]"),
            json!("q_proj|v_proj"),
            json!([]),
            json!([[[[]]]]),
            json!(["q_proj", "v_proj"]),
            json!([0, 1, 99]),
            json!({}),
            json!({ "q_proj": 4 }),
            json!({ ".*": 4, "(": 2 }),
            json!({ "^model.*": 1e9 }),
        ];
        values[self.below(values.len())].clone()
    }

    fn config(&mut self, config: &mut Map<String, Value>) {
        let more = ["exclude_modules", "layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern", "new"];
        let fields: Vec<String> = config.keys().cloned().chain(more.map(String::from)).collect();
        for _ in 0..=self.below(3) {
            let field = fields[self.below(fields.len())].clone();
            match self.below(5) {
                0 => drop(config.remove(&field)),
                _ => drop(config.insert(field, self.value())),
            }
        }
    }
}

#[test]
fn nine_hundred_damaged_adapters_give_errors_or_adapters_and_nothing_else() {
    let model = DecoderConfig::from_dir(&dir("tiny-a").join("guard")).unwrap();
    let folder = copy(&dir("tiny-a").join("mrm"));
    let place = |name: &str| folder.path().join(name);
    let today = fs::read(place("adapter_model.safetensors")).unwrap();
    let mut file = SafetensorsFile::open(&place("adapter_model.safetensors")).unwrap();
    let names: Vec<String> = file.names().map(str::to_owned).collect();
    let tensors: Vec<torch_archive::Named> = names
        .into_iter()
        .map(|name| (name.clone(), file.shape(&name).unwrap().to_vec(), file.read_f32(&name).unwrap()))
        .collect();
    torch_archive::save(&place("adapter_model.bin"), &tensors);
    let old = fs::read(place("adapter_model.bin")).unwrap();
    let config = fs::read(place(CONFIG)).unwrap();
    let [bias, mask] = ["lm_head_bias.pt", "unseen_mask.pt"].map(|name| fs::read(place(name)).unwrap());
    let mut damage = Damage(ChaCha8Rng::seed_from_u64(19));
    let (mut refused, mut loaded) = (0, 0);
    for _ in 0..900 {
        let mut files = [
            (CONFIG, config.clone()),
            ("adapter_model.safetensors", today.clone()),
            ("adapter_model.bin", old.clone()),
            ("lm_head_bias.pt", bias.clone()),
            ("unseen_mask.pt", mask.clone()),
        ];
        let is_old = damage.below(3) == 0;
        match damage.below(10) {
            0..5 => {
                let mut fields: Map<String, Value> = serde_json::from_slice(&config).unwrap();
                damage.config(&mut fields);
                files[0].1 = serde_json::to_vec(&fields).unwrap();
            }
            5 => damage.bytes(&mut files[0].1),
            6 => {
                let file = 3 + damage.below(2);
                damage.bytes(&mut files[file].1);
            }
            _ if is_old => {
                // The pickle and the directory, which are at the ends; between them are weights.
                let (begin, end) = (2_000.min(old.len()), old.len().saturating_sub(2_000));
                let mut part = if damage.below(2) == 0 { old[..begin].to_vec() } else { old[end..].to_vec() };
                let is_begin = part == old[..begin];
                damage.bytes(&mut part);
                files[2].1 = if is_begin { [&part, &old[begin..]].concat() } else { [&old[..end], &part].concat() };
            }
            _ => {
                let header = 8 + u64::from_le_bytes(today[..8].try_into().unwrap()) as usize;
                let mut part = today[..header].to_vec();
                damage.bytes(&mut part);
                files[1].1 = [&part, &today[header..]].concat();
            }
        }
        for (name, bytes) in &files {
            fs::write(place(name), bytes).unwrap();
        }
        if is_old {
            fs::remove_file(place("adapter_model.safetensors")).unwrap();
        }
        match open(folder.path(), &model) {
            Ok(()) => loaded += 1,
            Err(error) => {
                assert!(error.to_string().len() < 10_000, "{} bytes of error", error.to_string().len());
                refused += 1;
            }
        }
    }
    assert!(refused > 500 && loaded > 20, "{refused} of 900 were refused, {loaded} loaded");
}

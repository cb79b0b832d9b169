//! LoRA adapters in PEFT's layout: `adapter_config.json` and `adapter_model.safetensors`. What is not supported is refused by name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use burn::tensor::{DType, Device, Tensor, TensorData};
use saffron_core::ModelName;
use serde_json::{Map, Value};

use super::files::read_json;
use super::folder::update;
use super::parts::{Kind, Part, write_parts};
use super::safetensors::SafetensorsFile;
use crate::LoadError;
use crate::config::DecoderConfig;
use crate::error::TensorMismatch;

mod config;

pub use config::AdapterConfig;

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";

/// A linear layer of a decoder block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Projection {
    /// `self_attn.q_proj`
    Query,
    /// `self_attn.k_proj`
    Key,
    /// `self_attn.v_proj`
    Value,
    /// `self_attn.o_proj`
    Output,
    /// `mlp.gate_proj`
    Gate,
    /// `mlp.up_proj`
    Up,
    /// `mlp.down_proj`
    Down,
}

impl Projection {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Query, Self::Key, Self::Value, Self::Output, Self::Gate, Self::Up, Self::Down];

    /// The module's name within a block, as checkpoints spell it.
    #[must_use]
    pub fn module(self) -> &'static str {
        match self {
            Self::Query => "self_attn.q_proj",
            Self::Key => "self_attn.k_proj",
            Self::Value => "self_attn.v_proj",
            Self::Output => "self_attn.o_proj",
            Self::Gate => "mlp.gate_proj",
            Self::Up => "mlp.up_proj",
            Self::Down => "mlp.down_proj",
        }
    }

    /// The last part of the module's name, as adapter configurations spell it.
    #[must_use]
    pub fn target(self) -> &'static str {
        self.module().rsplit('.').next().unwrap_or_default()
    }

    /// `[out, in]` of the layer's weight.
    #[must_use]
    pub fn shape(self, config: &DecoderConfig) -> [usize; 2] {
        let (hidden, wide) = (config.hidden_size, config.intermediate_size);
        match self {
            Self::Query => [config.query_width(), hidden],
            Self::Key | Self::Value => [config.key_width(), hidden],
            Self::Output => [hidden, config.query_width()],
            Self::Gate | Self::Up => [wide, hidden],
            Self::Down => [hidden, wide],
        }
    }
}

/// One adapted layer: the weight is `W + scale · B A`.
#[derive(Clone, Debug)]
pub struct LoraPair {
    /// PEFT's `lora_A`, `[rank, in]`.
    pub a: Tensor<2>,
    /// PEFT's `lora_B`, `[out, rank]`.
    pub b: Tensor<2>,
    /// `alpha / rank`, or `alpha / √rank` for rank-stabilised LoRA.
    pub scale: f64,
}

/// The adapted layers of a decoder, by block and projection.
#[derive(Clone, Debug, Default)]
pub struct LoraWeights {
    /// The pairs.
    pub pairs: BTreeMap<(usize, Projection), LoraPair>,
}

impl LoraWeights {
    /// Reads an adapter for a decoder, in float32.
    ///
    /// # Errors
    ///
    /// A configuration with anything unsupported, by name; tensors that are missing, superfluous or
    /// misshapen.
    pub fn from_dir(dir: &Path, model: &DecoderConfig, device: &Device) -> Result<(Self, AdapterConfig), LoadError> {
        let mut adapter = AdapterFile::open(dir, model)?;
        Ok((adapter.read(device)?, adapter.config))
    }

    /// Writes the adapter in PEFT's layout, in float32. All pairs must have the configuration's rank.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn save(&self, dir: &Path, config: &AdapterConfig) -> Result<(), LoadError> {
        self.save_as(dir, config, DType::F32)
    }

    /// Writes the adapter in PEFT's layout, in float32, or rounded to bf16 or f16, to the nearest. All pairs must have the configuration's
    /// rank. Both files appear [together](super::folder); other files of the directory stay.
    ///
    /// # Errors
    ///
    /// Another type; what the file system says.
    pub fn save_as(&self, dir: &Path, config: &AdapterConfig, dtype: DType) -> Result<(), LoadError> {
        let kind = Kind::of(dtype, &dir.join(WEIGHTS))?;
        let parts = self.pairs.iter().flat_map(|((layer, projection), pair)| {
            [("lora_A", &pair.a), ("lora_B", &pair.b)]
                .map(|(which, tensor)| (tensor_name(*layer, *projection, which), Part::matrix(tensor.clone(), kind)))
        });
        update(dir, |dir| {
            write_parts(parts, &dir.join(WEIGHTS))?;
            config.save(&dir.join(CONFIG))
        })
    }
}

/// An adapter on disk: it fits its model, and its tensors have not been read.
#[derive(Debug)]
pub struct AdapterFile {
    config: AdapterConfig,
    file: SafetensorsFile,
    slots: BTreeMap<(usize, Projection), Slot>,
    /// The file's name for every tensor.
    names: BTreeMap<String, String>,
}

impl AdapterFile {
    /// Looks at the adapter of a directory, which costs nothing: whether it may be loaded can be
    /// known before its base is.
    ///
    /// # Errors
    ///
    /// A configuration with anything unsupported, by name; tensors that are missing, superfluous or
    /// misshapen.
    pub fn open(dir: &Path, model: &DecoderConfig) -> Result<Self, LoadError> {
        let config = AdapterConfig::from_file(&dir.join(CONFIG))?;
        let file = SafetensorsFile::open(&dir.join(WEIGHTS))?;
        let slots = expected(&config, model, &dir.join(CONFIG))?;
        let names = match_names(&file, &slots)?;
        Ok(Self { config, file, slots, names })
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &AdapterConfig {
        &self.config
    }

    /// Its tensors, in float32.
    ///
    /// # Errors
    ///
    /// Tensors of a type that is not read; what the file system says.
    pub fn read(&mut self, device: &Device) -> Result<LoraWeights, LoadError> {
        let mut pairs = BTreeMap::new();
        for (place, slot) in &self.slots {
            let mut read = |shape: [usize; 2], which: &str| -> Result<Tensor<2>, LoadError> {
                let values = self.file.read_f32(&self.names[&slot.key(which)])?;
                Ok(Tensor::from_data(TensorData::new(values, shape), device))
            };
            let (a, b) = (read([slot.rank, slot.shape[1]], "lora_A")?, read([slot.shape[0], slot.rank], "lora_B")?);
            pairs.insert(*place, LoraPair { a, b, scale: slot.scale });
        }
        Ok(LoraWeights { pairs })
    }
}

/// Adapted layers by block and projection, each with its rank and scale.
pub type AdaptedLayers = BTreeMap<(usize, Projection), (usize, f64)>;

/// The layers of a decoder that a configuration adapts, with their ranks and scales.
///
/// # Errors
///
/// Modules that a decoder block does not have, no module at all, a rank of 0, patterns that contradict each other.
pub fn adapted_layers(config: &AdapterConfig, model: &DecoderConfig) -> Result<AdaptedLayers, LoadError> {
    let path = Path::new(CONFIG);
    let slots = expected(config, model, path)?;
    if slots.is_empty() {
        let names = Projection::ALL.map(Projection::target).join(", ");
        return Err(LoadError::field(path, "target_modules", format!("some of {names}"), "none"));
    }
    match slots.values().find(|slot| slot.rank == 0) {
        Some(_) => Err(LoadError::field(path, "r", "at least 1", 0)),
        None => Ok(slots.into_iter().map(|(place, slot)| (place, (slot.rank, slot.scale))).collect()),
    }
}

/// What the configuration asks of one layer.
#[derive(Debug)]
struct Slot {
    layer: usize,
    projection: Projection,
    rank: usize,
    scale: f64,
    shape: [usize; 2],
}

impl Slot {
    fn key(&self, which: &str) -> String {
        tensor_name(self.layer, self.projection, which)
    }
}

fn tensor_name(layer: usize, projection: Projection, which: &str) -> String {
    format!("base_model.model.model.layers.{layer}.{}.{which}.weight", projection.module())
}

/// The layers that the configuration adapts.
fn expected(
    config: &AdapterConfig,
    model: &DecoderConfig,
    path: &Path,
) -> Result<BTreeMap<(usize, Projection), Slot>, LoadError> {
    let targets: BTreeSet<&str> = config.target_modules.iter().map(String::as_str).collect();
    let known = |target: &str| Projection::ALL.iter().any(|projection| matches_module(projection.module(), target));
    if let Some(unknown) = targets.iter().find(|target| !known(target)) {
        let names = Projection::ALL.map(Projection::target).join(", ");
        return Err(LoadError::field(path, "target_modules", format!("some of {names}"), unknown));
    }
    let mut slots = BTreeMap::new();
    for layer in 0..model.num_hidden_layers {
        for projection in Projection::ALL {
            if targets.iter().any(|target| matches_module(projection.module(), target)) {
                let module = format!("model.layers.{layer}.{}", projection.module());
                if let Some(field) = config.ambiguous(&module) {
                    return Err(LoadError::field(path, field, "one value a module", format!("several for {module}")));
                }
                let (rank, scale) = config.rank_and_scale(&module);
                let slot = Slot { layer, projection, rank, scale, shape: projection.shape(model) };
                slots.insert((layer, projection), slot);
            }
        }
    }
    Ok(slots)
}

/// Whether a module's dotted name ends with the pattern, at a dot.
pub(crate) fn matches_module(module: &str, pattern: &str) -> bool {
    module.strip_suffix(pattern).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The file's name for every tensor that is expected, PEFT's older names with `.default` included.
fn match_names(
    file: &SafetensorsFile,
    expected: &BTreeMap<(usize, Projection), Slot>,
) -> Result<BTreeMap<String, String>, LoadError> {
    let mut found: BTreeMap<String, String> =
        file.names().map(|name| (name.replace(".default.weight", ".weight"), name.to_owned())).collect();
    let mut mismatch = TensorMismatch::default();
    let mut names = BTreeMap::new();
    for slot in expected.values() {
        for (which, shape) in [("lora_A", [slot.rank, slot.shape[1]]), ("lora_B", [slot.shape[0], slot.rank])] {
            let key = slot.key(which);
            let Some(name) = found.remove(&key) else {
                mismatch.missing.push(key);
                continue;
            };
            match file.shape(&name) {
                Some(there) if there == shape => {}
                there => mismatch.misshapen.push((key.clone(), shape.to_vec(), there.unwrap_or_default().to_vec())),
            }
            names.insert(key, name);
        }
    }
    mismatch.unexpected = found.into_values().collect();
    if mismatch.is_empty() {
        return Ok(names);
    }
    Err(LoadError::Tensors { path: file.path().to_path_buf(), mismatch: Box::new(mismatch) })
}

/// The base model that an adapter names: a directory or GGUF, relative to the adapter's directory,
/// if there is one there, else the name as it stands, which may be one of the hub.
///
/// # Errors
///
/// An unreadable configuration, or a name that leads to no model here and cannot be one of the hub.
pub fn base_of_adapter(dir: &Path) -> Result<ModelName, LoadError> {
    let path = dir.join(CONFIG);
    let raw: Map<String, Value> = read_json(&path)?;
    let text = raw.get("base_model_name_or_path").and_then(Value::as_str).unwrap_or_default();
    let beside = dir.join(text);
    let name = match !text.is_empty() && (beside.is_file() || beside.join("config.json").is_file()) {
        true => ModelName::from_path(beside).ok(),
        false => text.parse().ok().filter(|name: &ModelName| name.hub().is_some()),
    };
    name.ok_or_else(|| {
        let found = if text.is_empty() { String::from("nothing") } else { format!("{text:?}") };
        LoadError::field(&path, "base_model_name_or_path", "a model directory, relative to the adapter's", found)
    })
}

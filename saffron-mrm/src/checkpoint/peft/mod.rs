//! LoRA adapters in PEFT's layout: `adapter_config.json` and `adapter_model.safetensors`, or the
//! older `adapter_model.bin`. What is not supported is refused by name.
//!
//! An adapter loads if its tensors are pairs of factors for modules of a decoder and its
//! configuration says the same: the modules that it adapts are exactly those that have pairs.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{DType, Device, Tensor, TensorData};
use saffron_core::ModelName;
use serde_json::{Map, Value};

pub(super) use self::names::tensor_name;
use self::names::{module_name, refuse_foreign, saved_name, text_prefix, todays};
use self::pattern::first_matches;
use self::rule::{Rule, Verdict};
use super::folder::update;
use super::parts::{Kind, Part, write_parts};
use super::safetensors::SafetensorsFile;
use super::tensors::TensorSource;
use super::torch::TorchTensors;
use crate::config::DecoderConfig;
use crate::error::{LoadError, TensorMismatch};
use crate::family::is_multimodal;
use crate::files::{is_there, read_json};
use crate::nn::lora::{LoraPair, LoraWeights, Projection};

mod config;
mod fields;
mod names;
mod ordered;
mod pattern;
mod rule;

pub use config::AdapterConfig;
pub use rule::Targets;

/// The base's own weight behind an adapter of the unembedding.
const HEAD_BASE: &str = "base_model.model.lm_head.base_layer.weight";
pub(super) const CONFIG: &str = "adapter_config.json";
pub(super) const WEIGHTS: &str = "adapter_model.safetensors";
/// What PEFT wrote before safetensors.
pub(super) const OLD_WEIGHTS: &str = "adapter_model.bin";

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
            [("lora_A", &pair.a), ("lora_B", &pair.b)].map(|(which, tensor)| {
                let name = saved_name(*layer, *projection, config.text_prefix, which);
                (name, Part::matrix(tensor.clone(), kind))
            })
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
    tensors: Box<dyn TensorSource>,
    slots: Slots,
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
    /// misshapen, or of an adapter for another kind of model.
    pub fn open(dir: &Path, model: &DecoderConfig) -> Result<Self, LoadError> {
        let path = dir.join(CONFIG);
        let mut config = AdapterConfig::from_file(&path)?;
        refuse_biases(&config, model, &path)?;
        let tensors = open_tensors(dir)?;
        let prefix = text_prefix(&*tensors).filter(|_| is_multimodal(model.choices.family));
        let (found, twice) = todays(&*tensors, prefix);
        refuse_foreign(&found, tensors.path())?;
        config.text_prefix = prefix;
        // In a multimodal model a target may be of another part.
        let targets = if prefix.is_some() { OtherTargets::Ignored } else { OtherTargets::Refused };
        let slots = slots(&config, model, targets, &path, |name| found.contains_key(name))?;
        let names = match_names(&*tensors, &slots, found, twice)?;
        refuse_none(&slots, model, &path)?;
        Ok(Self { config, tensors, slots, names })
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
                let values = self.tensors.read_f32(&self.names[&slot.key(which)])?;
                Ok(Tensor::from_data(TensorData::new(values, shape), device))
            };
            let (a, b) = (read([slot.rank, slot.shape[1]], "lora_A")?, read([slot.shape[0], slot.rank], "lora_B")?);
            pairs.insert(*place, LoraPair { a, b, scale: slot.scale });
        }
        Ok(LoraWeights { pairs })
    }

    /// The layers that have factors, in order.
    pub(crate) fn layers(&self) -> impl Iterator<Item = (usize, Projection)> {
        self.slots.keys().copied()
    }

    /// The file of its tensors.
    pub(super) fn path(&self) -> &Path {
        self.tensors.path()
    }

    /// Whether all modules have the configuration's rank and scale, and the file holds their factors
    /// alone.
    pub(super) fn is_uniform(&self) -> bool {
        let AdapterConfig { rank_pattern, alpha_pattern, .. } = &self.config;
        let plain = rank_pattern.is_empty() && alpha_pattern.is_empty();
        plain && (self.is_multimodal() || self.tensors.names().len() == self.names.len())
    }

    /// Whether it was made for the text part of a multimodal model.
    pub(super) fn is_multimodal(&self) -> bool {
        text_prefix(&*self.tensors).is_some()
    }

    /// The largest rank of its factors.
    pub(crate) fn largest_rank(&self) -> usize {
        self.slots.values().map(|slot| slot.rank).max().unwrap_or(0)
    }

    /// The factors of one layer; none where it is not adapted.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub(super) fn factors(&mut self, place: (usize, Projection)) -> Result<Option<Factors>, LoadError> {
        let Some(slot) = self.slots.get(&place) else { return Ok(None) };
        let mut read = |which: &str| self.tensors.read_f32(&self.names[&slot.key(which)]);
        let (a, b) = (read("lora_A")?, read("lora_B")?);
        Ok(Some(Factors { a, b, rank: slot.rank, scale: slot.scale }))
    }

    /// Reads every tensor once and keeps nothing: whether the whole of it can be loaded.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn verify(&mut self) -> Result<(), LoadError> {
        self.names.values().try_for_each(|name| self.tensors.read_f32(name).map(drop))
    }
}

/// The factors of one layer, read: `W + scale · B A`.
#[derive(Debug)]
pub(super) struct Factors {
    /// `[rank, in]`
    pub(super) a: Vec<f32>,
    /// `[out, rank]`
    pub(super) b: Vec<f32>,
    pub(super) rank: usize,
    pub(super) scale: f64,
}

/// The tensors of a directory, in today's form if that is there.
fn open_tensors(dir: &Path) -> Result<Box<dyn TensorSource>, LoadError> {
    let (path, old) = (dir.join(WEIGHTS), dir.join(OLD_WEIGHTS));
    if is_there(&path)? {
        return Ok(Box::new(SafetensorsFile::open(&path)?));
    }
    match is_there(&old)? {
        true => Ok(Box::new(TorchTensors::open(&old)?)),
        false => Err(LoadError::NotFound { path: dir.to_path_buf(), expected: vec![WEIGHTS, OLD_WEIGHTS] }),
    }
}

/// Biases are trained with `bias: all` where the base has some: they are no pairs.
fn refuse_biases(config: &AdapterConfig, model: &DecoderConfig, path: &Path) -> Result<(), LoadError> {
    match config.bias == "none" || !model.choices.has_biases() {
        true => Ok(()),
        false => Err(LoadError::field(path, "bias", "\"none\", as the base has biases", &config.bias)),
    }
}

/// Adapted layers by block and projection, each with its rank and scale.
pub type AdaptedLayers = BTreeMap<(usize, Projection), (usize, f64)>;

/// The layers of a decoder that a configuration adapts, with their ranks and scales.
///
/// # Errors
///
/// Modules that a decoder block does not have, no module at all, a rank of 0, patterns that are not
/// evaluated here.
pub fn adapted_layers(config: &AdapterConfig, model: &DecoderConfig) -> Result<AdaptedLayers, LoadError> {
    let path = Path::new(CONFIG);
    let slots = slots(config, model, OtherTargets::Refused, path, |_| false)?;
    refuse_none(&slots, model, path)?;
    match slots.values().find(|slot| slot.rank == 0) {
        Some(_) => Err(LoadError::field(path, "r", "at least 1", 0)),
        None => Ok(slots.into_iter().map(|(place, slot)| (place, (slot.rank, slot.scale))).collect()),
    }
}

fn refuse_none(slots: &Slots, model: &DecoderConfig, path: &Path) -> Result<(), LoadError> {
    match slots.is_empty() {
        true => Err(LoadError::field(path, "target_modules", format!("some of {}", targets(model)), "none of them")),
        false => Ok(()),
    }
}

/// The names of the modules that may be adapted.
fn targets(model: &DecoderConfig) -> String {
    let projections = Projection::of_block(model).iter().chain([&Projection::Head]);
    projections.map(|projection| projection.target()).collect::<Vec<_>>().join(", ")
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

type Slots = BTreeMap<(usize, Projection), Slot>;

/// What is done about targets that are no modules of the model's text part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OtherTargets {
    Refused,
    Ignored,
}

/// The layers that the configuration adapts, of a multimodal model those of its text part. Where it
/// leaves that open, those of which a tensor is there.
fn slots(
    config: &AdapterConfig,
    model: &DecoderConfig,
    other_targets: OtherTargets,
    path: &Path,
    is_stored: impl Fn(&str) -> bool,
) -> Result<Slots, LoadError> {
    let of_block = Projection::of_block(model);
    let blocks = (0..model.num_hidden_layers).flat_map(|layer| of_block.iter().map(move |part| (layer, *part)));
    let all = blocks.chain([(0, Projection::Head)]);
    let module = |(layer, projection)| module_name(layer, projection, config.text_prefix);
    let modules: Vec<String> = all.clone().map(module).collect();
    let linear: Vec<&str> = of_block.iter().map(|projection| projection.target()).collect();
    let rule = Rule::of(config, &linear, path)?;
    if let Some(unknown) = rule.unknown_target(&modules).filter(|_| other_targets == OtherTargets::Refused) {
        return Err(LoadError::field(path, "target_modules", format!("some of {}", targets(model)), unknown));
    }
    let is_adapted = |layer, projection, module: &str| match rule.verdict(module) {
        Verdict::Yes => true,
        Verdict::No => false,
        Verdict::Maybe => ["lora_A", "lora_B"].iter().any(|which| is_stored(&tensor_name(layer, projection, which))),
    };
    let (places, modules): (Vec<_>, Vec<_>) =
        all.zip(modules).filter(|((layer, projection), module)| is_adapted(*layer, *projection, module)).unzip();
    let scales = config.ranks_and_scales(&modules, path)?;
    let slot = |((layer, projection), (rank, scale)): ((usize, Projection), (usize, f64))| {
        ((layer, projection), Slot { layer, projection, rank, scale, shape: projection.shape(model) })
    };
    Ok(places.into_iter().zip(scales).map(slot).collect())
}

/// The file's name for every tensor that is expected.
fn match_names(
    tensors: &dyn TensorSource,
    expected: &Slots,
    mut found: BTreeMap<String, String>,
    twice: Vec<String>,
) -> Result<BTreeMap<String, String>, LoadError> {
    let mut mismatch = TensorMismatch::default();
    let mut names = BTreeMap::new();
    for slot in expected.values() {
        for (which, shape) in [("lora_A", [slot.rank, slot.shape[1]]), ("lora_B", [slot.shape[0], slot.rank])] {
            let key = slot.key(which);
            let Some(name) = found.remove(&key) else {
                mismatch.missing.push(key);
                continue;
            };
            match tensors.shape(&name) {
                Some(there) if there == shape => {}
                there => mismatch.misshapen.push((key.clone(), shape.to_vec(), there.unwrap_or_default())),
            }
            names.insert(key, name);
        }
    }
    take_base_of_head(tensors, expected, &mut found);
    mismatch.unexpected = found.into_values().chain(twice).collect();
    if mismatch.is_empty() {
        return Ok(names);
    }
    Err(LoadError::Tensors { path: tensors.path().to_path_buf(), mismatch: Box::new(mismatch) })
}

/// Leaves out what PEFT saves beside an adapter of `lm_head`: the base's own weight, which is not
/// trained.
fn take_base_of_head(tensors: &dyn TensorSource, expected: &Slots, found: &mut BTreeMap<String, String>) {
    let Some(head) = expected.get(&(0, Projection::Head)) else { return };
    let shape = |name: &String| tensors.shape(name).is_some_and(|shape| shape == head.shape);
    if found.get(HEAD_BASE).is_some_and(shape) {
        found.remove(HEAD_BASE);
        tracing::warn!(path = %tensors.path().display(), "the base's lm_head beside the adapter's factors is left out");
    }
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
    let name = match !text.is_empty() && is_model(&beside)? {
        true => ModelName::from_path(beside).ok(),
        false => text.parse().ok().filter(|name: &ModelName| name.hub().is_some()),
    };
    name.ok_or_else(|| {
        let found = if text.is_empty() { String::from("nothing") } else { format!("{text:?}") };
        LoadError::field(&path, "base_model_name_or_path", "a model directory, relative to the adapter's", found)
    })
}

/// Whether a file or a checkpoint directory is there, if only by name.
fn is_model(path: &Path) -> Result<bool, LoadError> {
    match is_there(path)? {
        true if path.is_dir() => is_there(&path.join("config.json")),
        there => Ok(there),
    }
}

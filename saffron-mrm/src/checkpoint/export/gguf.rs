//! A checkpoint as a GGUF, tensor by tensor.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use candle_core::quantized::gguf_file::Value;

use super::engine::Exported;
use super::merged::Merged;
use super::target::Target;
use crate::checkpoint::gguf::names::{self, is_norm, rotary_heads, side_by_side};
use crate::checkpoint::gguf::tokenizer;
use crate::checkpoint::gguf::writer::{BLOCK, Planned, Stored, write as write_file};
use crate::checkpoint::source::{Checkpoint, Kind};
use crate::checkpoint::tensors::TensorSource;
use crate::config::{DecoderConfig, NormWeights};
use crate::error::LoadError;
use crate::family::{Architecture, Otherwise, Pairs, Tensors};

/// The file's name in its directory.
pub(super) const FILE: &str = "model.gguf";

/// The type of a GGUF's matrices. Norms and biases are float32 in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum GgufWeights {
    /// float32
    #[default]
    F32,
    /// float16
    F16,
    /// Blocks of 32 values of 8 bits with a scale each. Matrices whose rows are no multiple of 32
    /// stay float16.
    Q8_0,
}

impl GgufWeights {
    /// All, from the most exact on.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Q8_0];

    /// Its name, as llama.cpp spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Q8_0 => "q8_0",
        }
    }

    /// llama.cpp's number for a file most of whose weights are of this type.
    fn file_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q8_0 => 7,
        }
    }

    fn stored(self, shape: &[usize]) -> Stored {
        match (self, shape) {
            (Self::F16, [_, _]) => Stored::F16,
            (Self::Q8_0, [_, columns]) if columns.is_multiple_of(BLOCK) => Stored::Q8,
            (Self::Q8_0, [_, _]) => Stored::F16,
            _ => Stored::F32,
        }
    }
}

impl FromStr for GgufWeights {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|known| known.name() == name);
        known.ok_or_else(|| format!("expected one of {}, found {name:?}", Self::ALL.map(Self::name).join(", ")))
    }
}

impl Checkpoint {
    /// Writes the checkpoint as `model.gguf` into a directory, which must not exist or be empty.
    /// At most one tensor is in memory. Metadata and tokenizer of a GGUF are kept; those of a
    /// directory are written as llama.cpp's converter has them.
    ///
    /// # Errors
    ///
    /// A decoder or tokenizer that the format cannot say, by name; a weight that the type cannot
    /// hold; a target that holds something; what the file system says.
    pub fn export_gguf(&self, dir: &Path, weights: GgufWeights) -> Result<Exported, LoadError> {
        let tensors = Merged::new(self, None, None)?;
        let target = Target::new(dir)?;
        let plan = Plan::of(self, &tensors, weights)?;
        let notes = plan.otherwise.iter().map(|otherwise| note(*otherwise)).collect();
        let exported = plan.write(tensors, target.path(), notes)?;
        target.finish()?;
        Ok(exported)
    }
}

/// Writes a reward model's file. Refuses one that llama.cpp is known to compute otherwise in every
/// context.
pub(super) fn write(
    checkpoint: &Checkpoint,
    tensors: Merged,
    weights: GgufWeights,
    dir: &Path,
) -> Result<Exported, LoadError> {
    let plan = Plan::of(checkpoint, &tensors, weights)?;
    if plan.otherwise.contains(&Otherwise::Yarn) {
        let found = "beta_fast, beta_slow or attention_factor of another value";
        return Err(LoadError::field(checkpoint.path(), "rope_scaling", YARN, found));
    }
    let notes = plan.otherwise.iter().map(|otherwise| note(*otherwise)).collect();
    plan.write(tensors, dir, notes)
}

const YARN: &str = "what llama.cpp has for YaRN, as it reads none from a file";

fn note(otherwise: Otherwise) -> String {
    match otherwise {
        Otherwise::Window(window) => {
            format!("llama.cpp computes without the window of {window} tokens: rewards are exact in contexts up to it")
        }
        Otherwise::Yarn => format!("of the constants of YaRN, llama.cpp takes {YARN}"),
    }
}

/// A file that will be written.
struct Plan {
    config: DecoderConfig,
    architecture: Architecture,
    fields: BTreeMap<String, Value>,
    divisors: BTreeMap<String, Vec<f32>>,
    tensors: Vec<Planned>,
    /// Hugging Face's names by those in the file.
    names: BTreeMap<String, String>,
    otherwise: Vec<Otherwise>,
    weights: GgufWeights,
}

impl Plan {
    fn of(checkpoint: &Checkpoint, tensors: &Merged, weights: GgufWeights) -> Result<Self, LoadError> {
        let config = tensors.config().clone();
        let architecture = Architecture::of_family(config.choices.family);
        let (mut fields, divisors) = match &checkpoint.kind {
            Kind::Gguf(file) => (file.fields(), file.divisors().clone()),
            Kind::Directory => {
                let mut fields = architecture.fields(&config);
                fields.extend(tokenizer::fields(checkpoint, config.vocab_size)?);
                (fields, architecture.written_divisors(&config))
            }
        };
        fields.insert(String::from("general.file_type"), Value::U32(weights.file_type()));
        if weights == GgufWeights::Q8_0 {
            fields.insert(String::from("general.quantization_version"), Value::U32(2));
        }
        let names = names::all(&config);
        let planned =
            |name: &str, shape: Vec<usize>| Planned { stored: weights.stored(&shape), name: name.to_owned(), shape };
        let mut all = Vec::with_capacity(names.len() + divisors.len());
        for (own, name) in &names {
            let shape = tensors.shape(name);
            let shape =
                shape.ok_or_else(|| LoadError::field(checkpoint.path(), name, "a tensor of this name", "none"))?;
            all.push(planned(own, shape));
        }
        all.extend(divisors.iter().map(|(name, values)| planned(name, vec![values.len()])));
        let shapes = all.iter().map(|tensor| (tensor.name.clone(), tensor.shape.clone())).collect();
        let said = Tensors { shapes, divisors: divisors.clone(), more: false };
        architecture.check_said(&config, &fields, &said, checkpoint.path())?;
        let otherwise = architecture.computed_otherwise(&config);
        let names = names.into_iter().collect();
        Ok(Self { config, architecture, fields, divisors, tensors: all, names, otherwise, weights })
    }

    fn write(self, mut tensors: Merged, dir: &Path, mut notes: Vec<String>) -> Result<Exported, LoadError> {
        write_file(&dir.join(FILE), &self.fields, &self.tensors, |planned| {
            if let Some(values) = self.divisors.get(&planned.name) {
                return Ok(values.clone());
            }
            let name = self.names.get(&planned.name).map_or(&planned.name, |name| name);
            Ok(self.in_order(name, tensors.read_f32(name)?))
        })?;
        let odd = self.tensors.iter().filter(|tensor| tensor.shape.len() == 2 && tensor.stored == Stored::F16).count();
        if self.weights == GgufWeights::Q8_0 && odd > 0 {
            notes.push(format!("{odd} matrices stay f16: their rows are no multiple of {BLOCK} values"));
        }
        Ok(Exported { files: vec![PathBuf::from(FILE)], rank: None, notes })
    }

    /// A tensor's values as the file has them.
    fn in_order(&self, name: &str, mut values: Vec<f32>) -> Vec<f32> {
        if self.config.choices.norm_weights == NormWeights::OnePlus && is_norm(name) {
            // The file has the multipliers, the 1 included.
            values.iter_mut().for_each(|value| *value += 1.0);
        }
        match rotary_heads(name, &self.config).filter(|_| self.architecture.pairs() == Pairs::SideBySide) {
            Some(heads) => side_by_side(&values, heads, self.config.head_dim),
            None => values,
        }
    }
}

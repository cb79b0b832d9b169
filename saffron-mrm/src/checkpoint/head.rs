//! What an MRM has beyond a language model: the unembedding bias and the mask of unseen tokens. Read from the reference's two `.pt`
//! files or from our single `reward_head.safetensors`.

use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use saffron_core::TokenSet;

use super::folder::update;
use super::safetensors::{SafetensorsFile, failed};
use super::torch::{TorchVector, read_vector, write_vector};
use crate::error::LoadError;
use crate::files::is_there;

const OURS: &str = "reward_head.safetensors";
const BIAS: &str = "lm_head_bias.pt";
const MASK: &str = "unseen_mask.pt";

/// Bias and unseen tokens over one vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub struct RewardHead {
    /// Added to the unembedding's output, one value a token.
    pub bias: Vec<f32>,
    /// Tokens that the training corpus never held.
    pub unseen: TokenSet,
}

impl RewardHead {
    /// No bias, no unseen token.
    #[must_use]
    pub fn neutral(vocab_size: usize) -> Self {
        Self { bias: vec![0.0; vocab_size], unseen: TokenSet::new(vocab_size) }
    }

    /// Reads the whole head of a directory, in our form if it is there, else in the reference's.
    ///
    /// # Errors
    ///
    /// Neither form, or only half of the reference's; a damaged or foreign file, or one for another
    /// vocabulary.
    pub fn from_dir(dir: &Path, vocab_size: usize) -> Result<Self, LoadError> {
        let files = HeadFiles::of(dir)?;
        match files.missing() {
            missing if missing.is_empty() => files.read(dir, vocab_size),
            missing => Err(LoadError::NoRewardHead { path: dir.to_path_buf(), missing }),
        }
    }

    /// Reads what a directory has of a head. Where there is no bias, none is added; where there is
    /// no mask, every token counts as seen.
    ///
    /// # Errors
    ///
    /// A file that is there by name and cannot be read, is damaged or foreign, or is for another
    /// vocabulary.
    pub fn from_dir_or_neutral(dir: &Path, vocab_size: usize) -> Result<Self, LoadError> {
        HeadFiles::of(dir)?.read(dir, vocab_size)
    }

    fn from_safetensors(path: &Path, vocab_size: usize) -> Result<Self, LoadError> {
        let mut file = SafetensorsFile::open(path)?;
        let (bias, mask) = (file.read_f32("lm_head.bias")?, file.read_bool("unseen_mask")?);
        check_length(path, "lm_head.bias", bias.len(), vocab_size)?;
        check_length(path, "unseen_mask", mask.len(), vocab_size)?;
        check_bias(path, &bias)?;
        Ok(Self { bias, unseen: TokenSet::from_mask(&mask) })
    }

    /// Writes the head in our form: float32 `lm_head.bias` and boolean `unseen_mask`, each `[vocab]`.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn save_safetensors(&self, dir: &Path) -> Result<PathBuf, LoadError> {
        update(dir, |dir| self.write_safetensors(&dir.join(OURS)))?;
        Ok(dir.join(OURS))
    }

    fn write_safetensors(&self, path: &Path) -> Result<(), LoadError> {
        let bias: Vec<u8> = self.bias.iter().flat_map(|value| value.to_le_bytes()).collect();
        let mask: Vec<u8> = self.mask().iter().map(|unseen| u8::from(*unseen)).collect();
        let shape = vec![self.bias.len()];
        let bias = TensorView::new(Dtype::F32, shape.clone(), &bias).map_err(failed(path))?;
        let mask = TensorView::new(Dtype::BOOL, shape, &mask).map_err(failed(path))?;
        safetensors::serialize_to_file([("lm_head.bias", bias), ("unseen_mask", mask)], None, path)
            .map_err(failed(path))
    }

    /// Writes the head in the reference's form; the bias is rounded to bf16. Both files appear
    /// [together](super::folder).
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn save_torch(&self, dir: &Path) -> Result<(), LoadError> {
        update(dir, |dir| {
            write_vector(&dir.join(BIAS), &TorchVector::Floats(self.bias.clone()))?;
            write_vector(&dir.join(MASK), &TorchVector::Bools(self.mask()))
        })
    }

    fn mask(&self) -> Vec<bool> {
        let mut mask = vec![false; self.bias.len()];
        self.unseen.iter().for_each(|token| mask[token as usize] = true);
        mask
    }
}

/// Which files of a head a directory has, by their names.
#[derive(Clone, Copy, Debug)]
struct HeadFiles {
    ours: bool,
    bias: bool,
    mask: bool,
}

impl HeadFiles {
    fn of(dir: &Path) -> Result<Self, LoadError> {
        let has = |name: &str| is_there(&dir.join(name));
        Ok(Self { ours: has(OURS)?, bias: has(BIAS)?, mask: has(MASK)? })
    }

    fn missing(self) -> Vec<&'static str> {
        let reference = [(self.bias, BIAS), (self.mask, MASK)];
        reference.into_iter().filter(|(there, _)| !there && !self.ours).map(|(_, name)| name).collect()
    }

    fn read(self, dir: &Path, vocab_size: usize) -> Result<RewardHead, LoadError> {
        if self.ours {
            return RewardHead::from_safetensors(&dir.join(OURS), vocab_size);
        }
        let mut head = RewardHead::neutral(vocab_size);
        if self.bias {
            head.bias = read_bias(&dir.join(BIAS), vocab_size)?;
        }
        if self.mask {
            head.unseen = read_mask(&dir.join(MASK), vocab_size)?;
        }
        Ok(head)
    }
}

fn read_bias(path: &Path, vocab_size: usize) -> Result<Vec<f32>, LoadError> {
    let TorchVector::Floats(bias) = read_vector(path)? else {
        return Err(LoadError::field(path, "dtype", "a float", "bool"));
    };
    check_length(path, "elements", bias.len(), vocab_size)?;
    check_bias(path, &bias)?;
    Ok(bias)
}

fn read_mask(path: &Path, vocab_size: usize) -> Result<TokenSet, LoadError> {
    let TorchVector::Bools(mask) = read_vector(path)? else {
        return Err(LoadError::field(path, "dtype", "bool", "a float"));
    };
    check_length(path, "elements", mask.len(), vocab_size)?;
    Ok(TokenSet::from_mask(&mask))
}

fn check_length(path: &Path, field: &str, found: usize, vocab_size: usize) -> Result<(), LoadError> {
    if found == vocab_size {
        return Ok(());
    }
    Err(LoadError::field(path, field, format!("{vocab_size}, the model's vocab_size"), found))
}

pub(crate) fn check_bias(path: &Path, bias: &[f32]) -> Result<(), LoadError> {
    match bias.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        Some((token, value)) => Err(LoadError::field(path, format!("bias[{token}]"), "a finite number", value)),
        None => Ok(()),
    }
}

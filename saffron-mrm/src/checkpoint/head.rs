//! What an MRM has beyond a language model: the unembedding bias and the mask of unseen tokens. Read from the reference's two `.pt`
//! files or from our single `reward_head.safetensors`.

use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use saffron_core::{HeadNotes, RewardHead, ServedHead, TokenSet};

use super::folder::update;
use super::safetensors::{SafetensorsFile, failed};
use super::torch::{TorchVector, read_vector, write_vector};
use crate::error::LoadError;
use crate::files::is_there;

pub(super) const OURS: &str = "reward_head.safetensors";
/// Where the head lies in a checkpoint for engines, which load every safetensors file beside the
/// weights.
pub(super) const FOLDER: &str = "head";
const BIAS: &str = "lm_head_bias.pt";
const MASK: &str = "unseen_mask.pt";

/// The notes of a served head, in the file's metadata.
const NOTES: &str = "saffron";
const WEIGHT: &str = "lm_head.weight";

/// Reward heads in files.
pub trait RewardHeadFiles: Sized {
    /// Reads the whole head of a directory, in our form if it is there, else in the reference's.
    ///
    /// # Errors
    ///
    /// Neither form, or only half of the reference's; a damaged or foreign file, or one for another
    /// vocabulary.
    fn from_dir(dir: &Path, vocab_size: usize) -> Result<Self, LoadError>;

    /// Reads what a directory has of a head. Where there is no bias, none is added; where there is
    /// no mask, every token counts as seen.
    ///
    /// # Errors
    ///
    /// A file that is there by name and cannot be read, is damaged or foreign, or is for another
    /// vocabulary.
    fn from_dir_or_neutral(dir: &Path, vocab_size: usize) -> Result<Self, LoadError>;

    /// Writes the head in our form: float32 `lm_head.bias` and boolean `unseen_mask`, each `[vocab]`.
    ///
    /// # Errors
    ///
    /// What the file system says.
    fn save_safetensors(&self, dir: &Path) -> Result<PathBuf, LoadError>;

    /// Writes the head in the reference's form; the bias is rounded to bf16. Both files appear
    /// [together](super::folder).
    ///
    /// # Errors
    ///
    /// What the file system says.
    fn save_torch(&self, dir: &Path) -> Result<(), LoadError>;
}

impl RewardHeadFiles for RewardHead {
    fn from_dir(dir: &Path, vocab_size: usize) -> Result<Self, LoadError> {
        let dir = &folder_of(dir)?;
        let files = HeadFiles::of(dir)?;
        match files.missing() {
            missing if missing.is_empty() => files.read(dir, vocab_size),
            missing => Err(LoadError::NoRewardHead { path: dir.clone(), missing }),
        }
    }

    fn from_dir_or_neutral(dir: &Path, vocab_size: usize) -> Result<Self, LoadError> {
        let dir = &folder_of(dir)?;
        HeadFiles::of(dir)?.read(dir, vocab_size)
    }

    fn save_safetensors(&self, dir: &Path) -> Result<PathBuf, LoadError> {
        save_served_head(&ServedHead::new(self.clone()), dir)
    }

    fn save_torch(&self, dir: &Path) -> Result<(), LoadError> {
        update(dir, |dir| {
            write_vector(&dir.join(BIAS), &TorchVector::Floats(self.bias.clone()))?;
            write_vector(&dir.join(MASK), &TorchVector::Bools(mask(self)))
        })
    }
}

/// Writes what a client of the served model needs as `reward_head.safetensors`: the head, float32
/// `lm_head.weight` `[vocab, width]` where the unembedding is part of it, and the notes as JSON in
/// the file's metadata, under `saffron`. Returns the file's path.
///
/// # Errors
///
/// What the file system says.
pub fn save_served_head(served: &ServedHead, dir: &Path) -> Result<PathBuf, LoadError> {
    update(dir, |dir| write_safetensors(served, &dir.join(OURS)))?;
    Ok(dir.join(OURS))
}

pub(super) fn write_safetensors(served: &ServedHead, path: &Path) -> Result<(), LoadError> {
    let ServedHead { head, unembedding, notes } = served;
    let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let (bias, rows) = (bytes(&head.bias), unembedding.as_ref().map(|unembedding| bytes(unembedding.rows())));
    let mask: Vec<u8> = mask(head).iter().map(|unseen| u8::from(*unseen)).collect();
    let view = |dtype, shape, data| TensorView::new(dtype, shape, data).map_err(failed(path));
    let mut tensors = vec![
        ("lm_head.bias", view(Dtype::F32, vec![head.bias.len()], &bias)?),
        ("unseen_mask", view(Dtype::BOOL, vec![head.bias.len()], &mask)?),
    ];
    if let (Some(unembedding), Some(rows)) = (unembedding, &rows) {
        let shape = vec![unembedding.vocab_size(), unembedding.width()];
        tensors.push((WEIGHT, view(Dtype::F32, shape, rows)?));
    }
    let notes = match *notes == HeadNotes::default() {
        true => None,
        false => {
            let notes = serde_json::to_string(notes).map_err(LoadError::json(path))?;
            Some([(String::from(NOTES), notes)].into())
        }
    };
    safetensors::serialize_to_file(tensors, notes, path).map_err(failed(path))
}

fn read_safetensors(path: &Path, vocab_size: usize) -> Result<RewardHead, LoadError> {
    let mut file = SafetensorsFile::open(path)?;
    let (bias, mask) = (file.read_f32("lm_head.bias")?, file.read_bool("unseen_mask")?);
    check_length(path, "lm_head.bias", bias.len(), vocab_size)?;
    check_length(path, "unseen_mask", mask.len(), vocab_size)?;
    check_bias(path, &bias)?;
    Ok(RewardHead { bias, unseen: TokenSet::from_mask(&mask) })
}

fn mask(head: &RewardHead) -> Vec<bool> {
    let mut mask = vec![false; head.bias.len()];
    head.unseen.iter().for_each(|token| mask[token as usize] = true);
    mask
}

/// The directory of a head: the folder that a checkpoint for engines has for it, or the directory
/// itself.
fn folder_of(dir: &Path) -> Result<PathBuf, LoadError> {
    let folder = dir.join(FOLDER);
    Ok(if is_there(&folder.join(OURS))? { folder } else { dir.to_path_buf() })
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
            return read_safetensors(&dir.join(OURS), vocab_size);
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

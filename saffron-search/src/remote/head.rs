//! The head of a served reward model, from the file that an export writes beside the model.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use saffron_core::{HeadNotes, RewardHead, ServedHead, TokenSet, Unembedding};

use crate::regular::{NotOpened, opened};

/// The file, in the directory of an export or in a folder of it: engines load every safetensors
/// file beside a checkpoint's weights.
const FILE: &str = "reward_head.safetensors";
const FOLDER: &str = "head";
const BIAS: &str = "lm_head.bias";
const MASK: &str = "unseen_mask";
const WEIGHT: &str = "lm_head.weight";
/// The entry of the file's metadata that holds the notes.
const NOTES: &str = "saffron";
/// The largest header, notes and probes included.
const MAX_HEADER: u64 = 1 << 20;
/// The largest bias and mask: more token ids than any vocabulary has.
const MAX_VOCABULARY: usize = 1 << 22;
/// The largest unembedding: half a million rows of 16,384 values.
const MAX_ROWS: usize = 1 << 33;

/// A head that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct HeadError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub kind: HeadErrorKind,
}

/// What is wrong with the file of a head.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeadErrorKind {
    /// The operating system refused.
    #[error("cannot be read")]
    Io(#[source] std::io::Error),
    /// Something else than a file is there.
    #[error("expected a file, found {found}")]
    NotAFile {
        /// What is there.
        found: &'static str,
    },
    /// The header is larger than the file, no JSON, or does not describe the bytes that are there.
    #[error("no safetensors file: {0}")]
    Header(String),
    /// A tensor is missing, or of another type, shape or content.
    #[error("{tensor}: expected {expected}, found {found}")]
    Tensor {
        /// Its name.
        tensor: &'static str,
        /// What is expected.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The notes cannot be read.
    #[error("its notes")]
    Notes(#[source] serde_json::Error),
}

/// Reads the head of a served reward model: `reward_head.safetensors`, the directory that it is in,
/// or the directory of an export. Float32 `lm_head.bias` and boolean `unseen_mask`, each `[vocab]`; float32 `lm_head.weight`,
/// `[vocab, hidden]`, where the client needs the unembedding; [`HeadNotes`] as JSON in the entry
/// `saffron` of the metadata.
///
/// # Errors
///
/// A file that is not there, is damaged, or is larger than a head can be.
pub fn read_head(path: impl AsRef<Path>) -> Result<ServedHead, HeadError> {
    let path = path.as_ref();
    let path = match path.is_dir() {
        true if path.join(FOLDER).is_dir() => path.join(FOLDER).join(FILE),
        true => path.join(FILE),
        false => path.to_path_buf(),
    };
    read(&path).map_err(|kind| HeadError { path, kind })
}

fn read(path: &Path) -> Result<ServedHead, HeadErrorKind> {
    let mut tensors = Tensors::open(path)?;
    let bias = tensors.floats(BIAS, MAX_VOCABULARY)?;
    let Some((shape, bias)) = bias else { return Err(wrong(BIAS, "a tensor", "none")) };
    if shape.len() != 1 {
        return Err(wrong(BIAS, "one dimension", format!("{shape:?}")));
    }
    let mask = tensors.mask(bias.len())?;
    let unembedding = match tensors.floats(WEIGHT, MAX_ROWS)? {
        None => None,
        Some((shape, rows)) => {
            let fits = matches!(shape[..], [rows, width] if rows == bias.len() && width > 0);
            let unembedding = if fits { Unembedding::new(rows, shape[1]) } else { None };
            let expected = format!("[{}, hidden size]", bias.len());
            Some(unembedding.ok_or_else(|| wrong(WEIGHT, expected, format!("{shape:?}")))?)
        }
    };
    let notes = tensors.notes()?;
    Ok(ServedHead { head: RewardHead { bias, unseen: TokenSet::from_mask(&mask) }, unembedding, notes })
}

fn wrong(tensor: &'static str, expected: impl Into<String>, found: impl Into<String>) -> HeadErrorKind {
    HeadErrorKind::Tensor { tensor, expected: expected.into(), found: found.into() }
}

/// A tensor's shape and values.
type Shaped<T> = (Vec<usize>, Vec<T>);

/// An open file whose header has been checked against its length.
struct Tensors {
    file: File,
    begin: u64,
    header: Metadata,
}

impl Tensors {
    fn open(path: &Path) -> Result<Self, HeadErrorKind> {
        let mut file = opened(path)?;
        let header = |reason: String| HeadErrorKind::Header(reason);
        let length = file.metadata().map_err(HeadErrorKind::Io)?.len();
        let mut size = [0; 8];
        file.read_exact(&mut size).map_err(|error| header(error.to_string()))?;
        let size = u64::from_le_bytes(size);
        if size > MAX_HEADER.min(length.saturating_sub(8)) {
            return Err(header(format!("a header of {size} bytes, in a file of {length}; at most {MAX_HEADER}")));
        }
        let mut bytes = vec![0; size as usize];
        file.read_exact(&mut bytes).map_err(HeadErrorKind::Io)?;
        let found: Metadata = serde_json::from_slice(&bytes).map_err(|error| header(error.to_string()))?;
        let expected = (8 + size).saturating_add(found.data_len() as u64);
        if expected != length {
            return Err(header(format!("{length} bytes, its header says {expected}")));
        }
        Ok(Self { file, begin: 8 + size, header: found })
    }

    /// Shape and bytes of a tensor of a type and at most so many elements.
    fn bytes(&mut self, name: &'static str, dtype: Dtype, most: usize) -> Result<Option<Shaped<u8>>, HeadErrorKind> {
        let Some(info) = self.header.info(name) else { return Ok(None) };
        if info.dtype != dtype {
            return Err(wrong(name, format!("{dtype:?}"), format!("{:?}", info.dtype)));
        }
        let elements = info.shape.iter().try_fold(1usize, |all, size| all.checked_mul(*size));
        if elements.is_none_or(|elements| elements > most) {
            return Err(wrong(name, format!("at most {most} values"), format!("{:?}", info.shape)));
        }
        let (shape, (start, end)) = (info.shape.clone(), info.data_offsets);
        let mut bytes = vec![0; end - start];
        self.file.seek(SeekFrom::Start(self.begin + start as u64)).map_err(HeadErrorKind::Io)?;
        self.file.read_exact(&mut bytes).map_err(HeadErrorKind::Io)?;
        Ok(Some((shape, bytes)))
    }

    /// A tensor of finite floats.
    fn floats(&mut self, name: &'static str, most: usize) -> Result<Option<Shaped<f32>>, HeadErrorKind> {
        let Some((shape, bytes)) = self.bytes(name, Dtype::F32, most)? else { return Ok(None) };
        let (chunks, _) = bytes.as_chunks::<4>();
        let values: Vec<f32> = chunks.iter().map(|four| f32::from_le_bytes(*four)).collect();
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(Some((shape, values))),
            Some(place) => Err(wrong(name, "finite numbers", format!("{} at {place}", values[place]))),
        }
    }

    fn mask(&mut self, size: usize) -> Result<Vec<bool>, HeadErrorKind> {
        match self.bytes(MASK, Dtype::BOOL, MAX_VOCABULARY)? {
            None => Err(wrong(MASK, "a tensor", "none")),
            Some((shape, _)) if shape != [size] => Err(wrong(MASK, format!("[{size}]"), format!("{shape:?}"))),
            Some((_, bytes)) => Ok(bytes.into_iter().map(|byte| byte != 0).collect()),
        }
    }

    fn notes(&self) -> Result<HeadNotes, HeadErrorKind> {
        match self.header.metadata().as_ref().and_then(|metadata| metadata.get(NOTES)) {
            None => Ok(HeadNotes::default()),
            Some(notes) => serde_json::from_str(notes).map_err(HeadErrorKind::Notes),
        }
    }
}

impl From<NotOpened> for HeadErrorKind {
    fn from(error: NotOpened) -> Self {
        match error {
            NotOpened::Io(error) => Self::Io(error),
            NotOpened::NotAFile(found) => Self::NotAFile { found },
        }
    }
}

//! Errors of loading: which file, which field or tensor, what was expected, what was found.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::brief::{cut, listed};
use crate::memory::MemoryError;

/// A checkpoint, adapter or tokenizer cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file cannot be read or written.
    #[error("{}: cannot be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A directory has none of the files that it should have one of.
    #[error("{}: expected one of {}, found none", path.display(), expected.join(", "))]
    NotFound {
        /// The directory.
        path: PathBuf,
        /// The files.
        expected: Vec<&'static str>,
    },
    /// A path that should lead to a file leads to something else.
    #[error("{}: expected a regular file, found {found}", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it leads to.
        found: &'static str,
    },
    /// A text file in another encoding than UTF-8.
    #[error("{}: expected UTF-8, found {found}", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// What its first bytes are of.
        found: &'static str,
    },
    /// A file that Git LFS has not fetched.
    #[error("{}: a Git LFS pointer, not the file itself (`git lfs pull` fetches it)", path.display())]
    LfsPointer {
        /// The file.
        path: PathBuf,
    },
    /// A directory without a whole reward head, where none was asked for.
    #[error("{}: no whole reward head: {} not there; a neutral one must be asked for (MrmBuilder::neutral_where_absent)", path.display(), missing.join(" and "))]
    NoRewardHead {
        /// The directory.
        path: PathBuf,
        /// The files that it lacks.
        missing: Vec<&'static str>,
    },
    /// A file is larger than anything of its kind.
    #[error("{}: {found} bytes, expected at most {limit}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// A model that needs more memory than there is.
    #[error("{}: the model does not fit into memory", path.display())]
    Memory {
        /// The checkpoint.
        path: PathBuf,
        /// What is needed, and what there is.
        source: MemoryError,
    },
    /// A JSON file that is none, or lacks what it must have.
    #[error("{}: cannot be used as JSON", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A safetensors header that does not hold together.
    #[error("{}: cannot be read or written as safetensors", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A file that is no GGUF, or one that cannot be read.
    #[error("{}: not a GGUF", path.display())]
    Gguf {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A file that ends too early, or goes on after its end.
    #[error("{}: {what} is {expected} bytes by its own account, the file has {found}", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Which part of it.
        what: &'static str,
        /// Bytes by its header.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// A field whose value is not supported or does not fit.
    #[error("{}: {field}: expected {expected}, found {found}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The field or tensor.
        field: String,
        /// What would do.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A kind of model, or a way to store its weights, that this crate does not do.
    #[error("{}: {field}: {found} is not supported{}", path.display(), other_than(supported))]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The field.
        field: String,
        /// What it asks for.
        found: String,
        /// What is supported, if there is a list of it; else empty.
        supported: String,
    },
    /// An adapter for another kind of model: none of its tensors has the prefix of a causal
    /// language model.
    #[error("{}: tensors are named {found}…, expected base_model.model.model.layers.…: {hint}", path.display())]
    AdapterPrefix {
        /// The file of the tensors.
        path: PathBuf,
        /// What their names begin with.
        found: String,
        /// Where such names come from.
        hint: &'static str,
    },
    /// Tensors that are missing, superfluous or of the wrong shape; all of them.
    #[error("{}: {mismatch}", path.display())]
    Tensors {
        /// The file or directory.
        path: PathBuf,
        /// What does not fit.
        mismatch: Box<TensorMismatch>,
    },
    /// A shard index that names a file outside its own directory.
    #[error("{}: tensor {tensor} is said to be in {shard:?}, which is not a plain file name", path.display())]
    ShardOutside {
        /// The index.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The name.
        shard: String,
    },
    /// A torch archive that does not hold what is expected.
    #[error("{}: expected a torch archive ({expected}), found {found}", path.display())]
    Torch {
        /// The file.
        path: PathBuf,
        /// Which tensors.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A tokenizer that cannot be read.
    #[error("{}: the tokenizer cannot be used", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A prompt layout that the tokenizer has no tokens for, or whose name is unknown.
    #[error("layout {name:?}: {reason}")]
    Layout {
        /// Its name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A guard's template that is unknown, or that the tokenizer has no tokens for.
    #[error("guard template {name:?}: {reason}")]
    GuardTemplate {
        /// Its name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// An answer of a guard that is not one token, so that no logit is its own.
    #[error("guard template {name:?}: expected one token for the answer {answer:?}, found {found}")]
    GuardAnswer {
        /// The template's name.
        name: String,
        /// The answer, with the space before it.
        answer: &'static str,
        /// How many tokens it is.
        found: usize,
    },
    /// The key–value cache cannot be made.
    #[error(transparent)]
    Cache(#[from] saffron_kvtrie::CacheError),
}

impl LoadError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_path_buf(), source }
    }

    pub(crate) fn json(path: &Path) -> impl FnOnce(serde_json::Error) -> Self + '_ {
        move |source| Self::Json { path: path.to_path_buf(), source }
    }

    pub(crate) fn field(
        path: &Path,
        field: impl Into<String>,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Self::Field {
            path: path.to_path_buf(),
            field: cut(field.into()),
            expected: expected.to_string(),
            found: cut(found.to_string()),
        }
    }
}

fn other_than(supported: &str) -> String {
    if supported.is_empty() { String::new() } else { format!("; supported: {supported}") }
}

/// What does not fit between a checkpoint and its configuration. Its text lists the first ten of
/// each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TensorMismatch {
    /// Tensors that the configuration asks for and no file has.
    pub missing: Vec<String>,
    /// Tensors that the configuration has no place for.
    pub unexpected: Vec<String>,
    /// Tensors of another shape: name, expected, found.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl TensorMismatch {
    pub(crate) fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.misshapen.is_empty()
    }
}

impl fmt::Display for TensorMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let misshapen = listed(&self.misshapen, "; ", |(name, expected, found)| {
            format!("{name}: expected shape {expected:?}, found {found:?}")
        });
        let name = |name: &String| name.clone();
        let parts = [
            counted("missing", &self.missing, listed(&self.missing, ", ", name)),
            counted("unexpected", &self.unexpected, listed(&self.unexpected, ", ", name)),
            (!self.misshapen.is_empty()).then_some(misshapen),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join("; "))
    }
}

fn counted(what: &str, names: &[String], list: String) -> Option<String> {
    (!names.is_empty()).then(|| format!("{} {what} tensors: {list}", names.len()))
}

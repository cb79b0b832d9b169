//! A checkpoint of a bare `LlamaModel`: transformers loads it as a causal language model whose
//! tensors have lost the prefix `model.`, and so does this crate. The unembedding is not in it, so
//! that only a tied one can be used.

use std::collections::BTreeMap;
use std::path::Path;

use super::tensors::TensorSource;
use crate::error::LoadError;

const PREFIX: &str = "model.";
/// What every bare model has.
const EMBEDDING: &str = "embed_tokens.weight";

/// Tensors under the names that a causal language model has for them.
#[derive(Debug)]
struct Bare {
    source: Box<dyn TensorSource>,
    /// The file's names by those.
    names: BTreeMap<String, String>,
}

/// The tensors of a bare model by the names of a whole one; those of others as they are.
pub(super) fn whole(source: Box<dyn TensorSource>) -> Box<dyn TensorSource> {
    let names = source.names();
    if !names.contains(&EMBEDDING) || names.iter().any(|name| name.starts_with(PREFIX)) {
        return source;
    }
    let prefixed = |name: &&str| match name.starts_with("lm_head.") {
        true => (*name).to_owned(),
        false => format!("{PREFIX}{name}"),
    };
    let names = names.iter().map(|name| (prefixed(name), (*name).to_owned())).collect();
    Box::new(Bare { source, names })
}

impl TensorSource for Bare {
    fn path(&self) -> &Path {
        self.source.path()
    }

    fn names(&self) -> Vec<&str> {
        self.names.keys().map(String::as_str).collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.source.shape(self.names.get(name)?)
    }

    fn read_f32(&mut self, name: &str) -> Result<Vec<f32>, LoadError> {
        match self.names.get(name) {
            Some(own) => self.source.read_f32(own),
            None => Err(LoadError::field(self.source.path(), name, "a tensor of this name", "none")),
        }
    }
}

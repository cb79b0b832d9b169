//! Checkpoints whose tensors have other names than a causal language model's: those of a bare
//! model, which have lost the prefix `model.`, and those of a multimodal model, whose text part has
//! a prefix more. transformers loads both as causal language models, and so does this crate.

use std::collections::BTreeMap;
use std::path::Path;

use super::modules::EMBEDDING;
use super::tensors::TensorSource;
use crate::error::LoadError;

const PREFIX: &str = "model.";

/// What the text part's tensors begin with in a multimodal model, today and in older files, and
/// what they begin with in one of text alone.
const TEXT: [(&str, &str); 4] = [
    ("model.language_model.", "model."),
    ("language_model.model.", "model."),
    ("language_model.lm_head.", "lm_head."),
    ("lm_head.", "lm_head."),
];

/// What the tensors of the other parts begin with: they are left out.
const OTHER_PARTS: [&str; 4] =
    ["model.vision_tower.", "model.multi_modal_projector.", "vision_tower.", "multi_modal_projector."];

/// Tensors under the names that a causal language model has for them.
#[derive(Debug)]
struct Renamed {
    source: Box<dyn TensorSource>,
    /// The file's names by those.
    names: BTreeMap<String, String>,
}

/// The tensors of a bare or a multimodal model by the names of a causal language model; those of
/// others as they are.
pub(super) fn whole(source: Box<dyn TensorSource>) -> Box<dyn TensorSource> {
    let names = source.names();
    let found = if names.iter().any(|name| is_of_text(name)) {
        multimodal(&names)
    } else if names.iter().any(|name| PREFIX.to_owned() + name == EMBEDDING)
        && !names.iter().any(|name| name.starts_with(PREFIX))
    {
        bare(&names)
    } else {
        return source;
    };
    Box::new(Renamed { names: found, source })
}

fn is_of_text(name: &str) -> bool {
    TEXT[..2].iter().any(|(prefix, _)| name.starts_with(prefix))
}

/// What the modules of the text part's blocks begin with in a multimodal model whose tensors have
/// these names; none for a model of text alone.
pub(super) fn text_prefix<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    names.find_map(|name| TEXT[..2].iter().map(|(prefix, _)| *prefix).find(|prefix| name.starts_with(prefix)))
}

/// The name of a multimodal model's tensor in a model of text alone; none where it is of another
/// part. A name of neither stays.
pub(super) fn text_name(name: &str) -> Option<String> {
    if OTHER_PARTS.iter().any(|part| name.starts_with(part)) {
        return None;
    }
    let plain = TEXT.iter().find_map(|(prefix, plain)| Some(format!("{plain}{}", name.strip_prefix(prefix)?)));
    Some(plain.unwrap_or_else(|| name.to_owned()))
}

/// Two names that would become one keep their own, under which nothing is expected.
fn multimodal(names: &[&str]) -> BTreeMap<String, String> {
    let mut renamed = BTreeMap::new();
    for name in names {
        let Some(plain) = text_name(name) else { continue };
        let plain = if renamed.contains_key(&plain) { (*name).to_owned() } else { plain };
        renamed.insert(plain, (*name).to_owned());
    }
    renamed
}

fn bare(names: &[&str]) -> BTreeMap<String, String> {
    let prefixed = |name: &&str| match name.starts_with("lm_head.") {
        true => (*name).to_owned(),
        false => format!("{PREFIX}{name}"),
    };
    names.iter().map(|name| (prefixed(name), (*name).to_owned())).collect()
}

impl TensorSource for Renamed {
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

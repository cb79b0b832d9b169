//! Names of an adapter's tensors.

use std::collections::BTreeMap;
use std::path::Path;

use crate::checkpoint::renamed::{self, text_name};
use crate::checkpoint::tensors::TensorSource;
use crate::error::LoadError;
use crate::nn::lora::Projection;

/// What PEFT puts before a module's name.
const WRAPPER: &str = "base_model.model.";
/// What the names of a causal language model's tensors begin with: those of its blocks, and of its
/// unembedding.
const PREFIXES: [&str; 2] = ["base_model.model.model.layers.", "base_model.model.lm_head."];

/// PEFT's name of a factor, `lora_A` or `lora_B`, in a model of text alone.
pub(in crate::checkpoint) fn tensor_name(layer: usize, projection: Projection, which: &str) -> String {
    saved_name(layer, projection, None, which)
}

/// The same in the model that the adapter is for, whose text part's modules may have a `prefix`.
pub(super) fn saved_name(layer: usize, projection: Projection, prefix: Option<&str>, which: &str) -> String {
    format!("{WRAPPER}{}.{which}.weight", module_name(layer, projection, prefix))
}

/// What the modules of a multimodal model's text part begin with, if the adapter is for one.
pub(super) fn text_prefix(tensors: &dyn TensorSource) -> Option<&'static str> {
    renamed::text_prefix(tensors.names().into_iter().filter_map(|name| name.strip_prefix(WRAPPER)))
}

/// The full name of a module in the model that an adapter was made for, as its configuration
/// matches it.
pub(super) fn module_name(layer: usize, projection: Projection, prefix: Option<&str>) -> String {
    let name = projection.full_name(layer);
    match (prefix, name.strip_prefix("model.")) {
        (Some(prefix), Some(within)) => format!("{prefix}{within}"),
        _ => name,
    }
}

/// A file's names by those that PEFT gives today: older ones have `.default` in them. Names that
/// come twice so are given back, too. Of an adapter for a multimodal model, whose text part's
/// modules have a
/// `prefix`, the names are those of a model of text, and other parts are left out.
pub(super) fn todays(tensors: &dyn TensorSource, prefix: Option<&str>) -> (BTreeMap<String, String>, Vec<String>) {
    let (mut names, mut twice, mut others) = (BTreeMap::new(), Vec::new(), 0);
    for name in tensors.names() {
        let today = name.replace(".default.weight", ".weight");
        let today = match today.strip_prefix(WRAPPER).filter(|_| prefix.is_some()) {
            Some(inner) => text_name(inner).map(|inner| format!("{WRAPPER}{inner}")),
            None => Some(today),
        };
        match today {
            Some(today) => twice.extend(names.insert(today, name.to_owned())),
            None => others += 1,
        }
    }
    if others > 0 {
        let path = tensors.path().display();
        tracing::warn!(%path, tensors = others, "factors of other parts than the text's are left out");
    }
    (names, twice)
}

/// Refuses an adapter none of whose tensors has the prefix, and says where such names come from.
pub(super) fn refuse_foreign(names: &BTreeMap<String, String>, path: &Path) -> Result<(), LoadError> {
    let Some(name) = names.values().next() else { return Ok(()) };
    if names.keys().any(|name| PREFIXES.iter().any(|prefix| name.starts_with(prefix))) {
        return Ok(());
    }
    let found = name.find("layers.").map_or(&name[..], |end| &name[..end + "layers.".len()]);
    let hint = match found {
        "base_model.model.layers." => {
            "the adapter was trained on a bare model (AutoModel, LlamaModel); train it on \
             AutoModelForCausalLM, or rename its tensors"
        }
        "model.layers." | "layers." => "the adapter was saved without PEFT's prefix",
        _ if found.contains("language_model") || found.contains("vision") => {
            "the adapter was trained on a multimodal model"
        }
        _ if found.contains("_orig_mod") => "the adapter was saved from a compiled model (torch.compile)",
        _ => "the adapter was made by another tool or for another kind of model",
    };
    Err(LoadError::AdapterPrefix { path: path.to_path_buf(), found: crate::brief::cut(found.to_owned()), hint })
}

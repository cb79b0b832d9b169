//! `adapter_config.json`.

use std::borrow::Cow;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use super::fields::{Fields, Patterns};
use super::{Targets, first_matches, ordered};
use crate::error::LoadError;
use crate::files::read_json;

/// The module of the unembedding, which stands beside the text part of a multimodal model.
const HEAD: &str = "lm_head";

/// The part of a PEFT configuration that this crate honours.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterConfig {
    /// Rank of the factors.
    pub r: usize,
    /// Numerator of the scale.
    pub lora_alpha: f64,
    /// Modules that are adapted.
    pub target_modules: Targets,
    /// Modules that are not, though they are targets.
    pub exclude_modules: Targets,
    /// The layers whose modules are adapted; none for all. Not beside a regular expression.
    pub layers_to_transform: Option<Vec<usize>>,
    /// What lists of layers are called in names of modules; empty for any name.
    pub layers_pattern: Vec<String>,
    /// Scale by the rank's square root.
    pub use_rslora: bool,
    /// Other ranks for some modules: regular expressions, of which the first that matches counts.
    pub rank_pattern: Vec<(String, usize)>,
    /// Other alphas for some modules.
    pub alpha_pattern: Vec<(String, f64)>,
    /// Which biases were trained: `none`, `all` or `lora_only`. A base must have none unless none
    /// were.
    pub bias: String,
    /// The model that the adapter belongs on.
    pub base_model_name_or_path: Option<String>,
    /// What the names of the modules begin with where the base is the text part of a multimodal
    /// model ([`Checkpoint::text_prefix`](crate::checkpoint::Checkpoint::text_prefix)); none for a
    /// model of text alone. Patterns match the names with it, and files are written so.
    pub text_prefix: Option<&'static str>,
}

impl AdapterConfig {
    /// A configuration of one rank for all modules.
    #[must_use]
    pub fn new(r: usize, lora_alpha: f64, target_modules: Vec<String>) -> Self {
        Self {
            r,
            lora_alpha,
            target_modules: target_modules.into(),
            exclude_modules: Targets::default(),
            layers_to_transform: None,
            layers_pattern: Vec::new(),
            use_rslora: false,
            rank_pattern: Vec::new(),
            alpha_pattern: Vec::new(),
            bias: String::from("none"),
            base_model_name_or_path: None,
            text_prefix: None,
        }
    }

    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// Anything that this crate does not do, by name: another method than LoRA, DoRA, replicated
    /// layers, modules saved whole, initialisations that changed the base.
    pub fn from_file(path: &Path) -> Result<Self, LoadError> {
        let raw: Map<String, Value> = read_json(path)?;
        let fields = Fields { raw: &raw, path };
        fields.refuse_unsupported()?;
        ["rank_pattern", "alpha_pattern"].iter().try_for_each(|field| fields.check_object(field))?;
        let patterns: Patterns = read_json(path)?;
        let target_modules = fields.targets()?;
        let excluded = fields.modules("exclude_modules", "a list of module names, or a regular expression")?;
        Ok(Self {
            r: fields.count("r")?,
            lora_alpha: fields.number("lora_alpha")?,
            layers_to_transform: fields.layers(&target_modules)?,
            layers_pattern: fields.layers_pattern()?,
            target_modules,
            exclude_modules: excluded.unwrap_or_default(),
            use_rslora: fields.flag("use_rslora")?,
            rank_pattern: fields.pattern("rank_pattern", patterns.rank_pattern, Fields::as_count)?,
            alpha_pattern: fields.pattern("alpha_pattern", patterns.alpha_pattern, Fields::as_number)?,
            bias: fields.bias()?,
            base_model_name_or_path: fields.text("base_model_name_or_path").map(str::to_owned),
            text_prefix: None,
        })
    }

    /// Rank and scale of a module, by its full dotted name.
    ///
    /// # Errors
    ///
    /// A pattern that is not evaluated here.
    pub fn rank_and_scale(&self, module: &str) -> Result<(usize, f64), LoadError> {
        let found = self.ranks_and_scales(&[module.to_owned()], Path::new(super::CONFIG))?;
        Ok(found.first().copied().unwrap_or_else(|| self.scaled(None, None)))
    }

    /// Ranks and scales of modules, in their order.
    pub(super) fn ranks_and_scales(&self, modules: &[String], path: &Path) -> Result<Vec<(usize, f64)>, LoadError> {
        let ranks = first_matches(&self.rank_pattern, modules, "rank_pattern", path)?;
        let alphas = first_matches(&self.alpha_pattern, modules, "alpha_pattern", path)?;
        Ok(ranks.into_iter().zip(alphas).map(|(rank, alpha)| self.scaled(rank, alpha)).collect())
    }

    fn scaled(&self, rank: Option<usize>, alpha: Option<f64>) -> (usize, f64) {
        let (rank, alpha) = (rank.unwrap_or(self.r), alpha.unwrap_or(self.lora_alpha));
        let divisor = if self.use_rslora { (rank as f64).sqrt() } else { rank as f64 };
        (rank, alpha / divisor)
    }

    /// Writes the configuration as PEFT reads it.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn save(&self, path: &Path) -> Result<(), LoadError> {
        let saved = Saved {
            peft_type: "LORA",
            task_type: "CAUSAL_LM",
            base_model_name_or_path: self.base_model_name_or_path.as_deref(),
            r: self.r,
            lora_alpha: self.lora_alpha,
            lora_dropout: 0.0,
            target_modules: &self.saved_targets(),
            exclude_modules: Some(&self.exclude_modules).filter(|modules| !modules.is_empty()),
            layers_to_transform: self.layers_to_transform.as_deref(),
            layers_pattern: Some(&self.layers_pattern[..]).filter(|names| !names.is_empty()),
            rank_pattern: &self.rank_pattern,
            alpha_pattern: &self.alpha_pattern,
            use_rslora: self.use_rslora,
            use_dora: false,
            bias: &self.bias,
            fan_in_fan_out: false,
            inference_mode: true,
            init_lora_weights: true,
            modules_to_save: (),
        };
        let text = serde_json::to_string_pretty(&saved).map_err(LoadError::json(path))?;
        std::fs::write(path, text).map_err(LoadError::io(path))
    }

    /// The modules that are adapted, as PEFT finds them. In a multimodal model the ends of names
    /// would be those of other parts' modules, too: an expression names those of the text part.
    fn saved_targets(&self) -> Cow<'_, Targets> {
        let (Some(prefix), Targets::Names(names)) = (self.text_prefix, &self.target_modules) else {
            return Cow::Borrowed(&self.target_modules);
        };
        let (head, blocks): (Vec<&String>, Vec<&String>) = names.iter().partition(|name| *name == HEAD);
        let blocks: Vec<String> = blocks.into_iter().map(|name| regex::escape(name)).collect();
        let within = (!blocks.is_empty()).then(|| format!(r"{}(.*\.)?({})", regex::escape(prefix), blocks.join("|")));
        let all: Vec<String> = within.into_iter().chain(head.first().map(|_| String::from(HEAD))).collect();
        Cow::Owned(Targets::Pattern(all.join("|")))
    }
}

/// The file.
#[derive(Serialize)]
struct Saved<'a> {
    peft_type: &'a str,
    task_type: &'a str,
    base_model_name_or_path: Option<&'a str>,
    r: usize,
    lora_alpha: f64,
    lora_dropout: f64,
    target_modules: &'a Targets,
    exclude_modules: Option<&'a Targets>,
    layers_to_transform: Option<&'a [usize]>,
    layers_pattern: Option<&'a [String]>,
    #[serde(serialize_with = "ordered::serialize")]
    rank_pattern: &'a [(String, usize)],
    #[serde(serialize_with = "ordered::serialize")]
    alpha_pattern: &'a [(String, f64)],
    use_rslora: bool,
    use_dora: bool,
    bias: &'a str,
    fan_in_fan_out: bool,
    inference_mode: bool,
    init_lora_weights: bool,
    modules_to_save: (),
}

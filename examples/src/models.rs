//! The policy that a command line names, and how its models run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use burn::tensor::{DType, Device};
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use saffron_core::Vocabulary;
use saffron_kvtrie::Reuse;
use saffron_mrm::checkpoint::Checkpoint;
use saffron_mrm::text::{ChatTemplate, LAYOUT_NAMES};
use saffron_mrm::{Base, LmPolicy, ModelOptions};
use saffron_search::Preset;
use saffron_search::remote::{ApiKey, RemotePolicy, RemoteSettings, RemoteVocabulary, Server, ServerAddress};
use serde::{Deserialize, Serialize};

use crate::device::{device, first};
use crate::place::Place;
use crate::policy::{NamedPolicy, guess_warning};
use crate::template::{TEMPLATE, chosen_layout, on_today};

/// Types of weights by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TypeName {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits, IEEE.
    F16,
    /// 16 bits with the exponent of 32.
    Bf16,
}

impl TypeName {
    /// Whether nothing is rounded.
    #[must_use]
    pub fn is_full(&self) -> bool {
        *self == Self::F32
    }
}

impl From<TypeName> for DType {
    fn from(name: TypeName) -> Self {
        match name {
            TypeName::F32 => Self::F32,
            TypeName::F16 => Self::F16,
            TypeName::Bf16 => Self::BF16,
        }
    }
}

/// Arguments: the policy, and how models run.
#[derive(Clone, Debug, Args)]
#[command(about = None, long_about = None)]
pub struct PolicyArgs {
    /// The policy: a directory, a GGUF, a model's name on the hub (org/name, org/name@revision, org/name/file.gguf), or a server (llamacpp:URL, vllm:URL,
    /// sglang:URL; several URLs with commas between). A server's key is taken from SAFFRON_API_KEY.
    #[arg(long)]
    pub policy: Place,
    /// The tokenizer of a served policy: a directory, a GGUF or a name on the hub. Without it the server tokenises, and reward models that run here
    /// are given text.
    #[arg(long)]
    pub tokenizer: Option<Place>,
    /// The policy's name, where a server has several models.
    #[arg(long)]
    pub served_model: Option<String>,
    /// How many of the most probable tokens a server is asked for; twice as many where these hold too little.
    #[arg(long, default_value_t = 64)]
    pub top: usize,
    /// The policy's prompt layout; by default "template", its own chat template, and where it has none what its special tokens suggest.
    #[arg(long, value_parser = PossibleValuesParser::new(LAYOUT_NAMES.into_iter().chain([TEMPLATE])))]
    pub layout: Option<String>,
    /// Device to run on.
    #[arg(long, default_value = first())]
    pub device: String,
    /// Type of weights and activations.
    #[arg(long, default_value = "f32")]
    pub dtype: TypeName,
    /// Megabytes of keys and values per model.
    #[arg(long, default_value_t = 1024)]
    pub cache_mb: u64,
    /// Compute every context from its first token.
    #[arg(long)]
    pub no_cache: bool,
}

impl PolicyArgs {
    /// How models run.
    #[must_use]
    pub fn options(&self) -> ModelOptions {
        ModelOptions {
            dtype: self.dtype.into(),
            cache_bytes: self.cache_mb << 20,
            reuse: if self.no_cache { Reuse::Nothing } else { Reuse::Cached },
            ..ModelOptions::default()
        }
    }

    /// The policy, and what loads other models, which share its weights where they stand on the same.
    ///
    /// # Errors
    ///
    /// No such device, a checkpoint that does not load, a tokenizer without the layout's tokens, a server that does not do what is needed of it.
    pub fn open(&self, preset: Preset) -> Result<(Loader, NamedPolicy)> {
        let mut loader = Loader::new(device(&self.device)?, self.options());
        let policy = match self.policy.server()? {
            Some(address) => self.served(&address, &mut loader)?,
            None => self.local(&mut loader)?,
        };
        if let Some(warning) = guess_warning(policy.layout_origin()) {
            eprintln!("{warning}");
        }
        // The reference knows one end-of-sequence token: the tokenizer's.
        let policy = match (preset, policy.tokenizer().and_then(|tokenizer| tokenizer.eos())) {
            (Preset::Reference, Some(end)) => policy.with_end_tokens(vec![end]),
            _ => policy,
        };
        Ok((loader, policy))
    }

    /// The policy's vocabulary alone.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn vocabulary(&self) -> Result<Arc<dyn Vocabulary>> {
        let place = match (self.policy.server()?, &self.tokenizer) {
            (Some(address), None) => return Ok(Arc::new(RemoteVocabulary::new(self.connect(&address, None)?)?)),
            (_, Some(place)) => place,
            (None, None) => &self.policy,
        };
        Ok(Arc::new(Checkpoint::open(place.path(false)?)?.tokenizer()?))
    }

    /// What its checkpoint, or its tokenizer's, says of conversations. None where the server tokenises.
    ///
    /// # Errors
    ///
    /// Files that cannot be read, a template that is none.
    pub fn chat_template(&self, loader: &mut Loader) -> Result<Option<ChatTemplate>> {
        let place = match self.policy.server()? {
            Some(_) => self.tokenizer.as_ref(),
            None => Some(&self.policy),
        };
        place.map_or(Ok(None), |place| Ok(Checkpoint::open(loader.path(place, false)?)?.chat_template()?))
    }

    fn local(&self, loader: &mut Loader) -> Result<NamedPolicy> {
        let base = loader.place(&self.policy)?;
        let layout = chosen_layout(self.layout.as_deref(), base.checkpoint(), base.tokenizer(), on_today)?;
        Ok(NamedPolicy::Local(Box::new(LmPolicy::on_with_layout(&base, self.options(), layout)?)))
    }

    fn served(&self, address: &ServerAddress, loader: &mut Loader) -> Result<NamedPolicy> {
        let Some(place) = &self.tokenizer else {
            ensure!(self.layout.is_none(), "--layout needs --tokenizer: without it the server's own template counts");
            return Ok(NamedPolicy::Served(Box::new(RemotePolicy::open(self.connect(address, None)?)?), None));
        };
        let checkpoint = Checkpoint::open(loader.path(place, false)?)?;
        let (config, tokenizer) = (checkpoint.config()?, Arc::new(checkpoint.tokenizer()?));
        let layout = chosen_layout(self.layout.as_deref(), &checkpoint, &tokenizer, on_today)?;
        let end_tokens = checkpoint.end_tokens(&tokenizer)?;
        let server = self.connect(address, Some(config.vocab_size))?;
        let policy = RemotePolicy::on(server, tokenizer.clone(), layout, end_tokens).with_shape(config.shape());
        Ok(NamedPolicy::Served(Box::new(policy), Some(tokenizer)))
    }

    fn connect(&self, address: &ServerAddress, vocab_size: Option<usize>) -> Result<Arc<Server>> {
        let key = std::env::var("SAFFRON_API_KEY").ok().filter(|key| !key.is_empty());
        let settings = RemoteSettings {
            top: self.top,
            api_key: key.map(ApiKey::new),
            model: self.served_model.clone(),
            vocab_size,
            ..RemoteSettings::default()
        };
        Ok(Server::connect(address, settings)?)
    }
}

/// Loads checkpoints that other models stand on. One that is asked for again is shared.
#[derive(Debug)]
pub struct Loader {
    device: Device,
    options: ModelOptions,
    bases: Vec<(PathBuf, Base)>,
    /// Places that have been looked up, with weights or without: the hub is asked once.
    paths: Vec<(Place, bool, PathBuf)>,
}

impl Loader {
    /// Nothing loaded yet.
    #[must_use]
    pub fn new(device: Device, options: ModelOptions) -> Self {
        Self { device, options, bases: Vec::new(), paths: Vec::new() }
    }

    /// How models run.
    #[must_use]
    pub fn options(&self) -> ModelOptions {
        self.options
    }

    /// The path of a place. What is there with weights is there without.
    ///
    /// # Errors
    ///
    /// As [`Place::path`].
    pub fn path(&mut self, place: &Place, weights: bool) -> Result<PathBuf> {
        let known = |(known, all, _): &&(Place, bool, PathBuf)| known == place && (*all || !weights);
        if let Some((_, _, path)) = self.paths.iter().find(known) {
            return Ok(path.clone());
        }
        let path = place.path(weights)?;
        self.paths.push((place.clone(), weights, path.clone()));
        Ok(path)
    }

    /// The checkpoint of a place.
    ///
    /// # Errors
    ///
    /// As [`path`](Self::path); one that does not load.
    pub fn place(&mut self, place: &Place) -> Result<Base> {
        let path = self.path(place, true)?;
        self.base(&path)
    }

    /// The checkpoint of a path.
    ///
    /// # Errors
    ///
    /// One that does not load.
    pub fn base(&mut self, path: &Path) -> Result<Base> {
        let place = path.canonicalize().with_context(|| path.display().to_string())?;
        if let Some((_, base)) = self.bases.iter().find(|(loaded, _)| *loaded == place) {
            return Ok(base.clone());
        }
        let base = Base::open(path, &self.device, self.options.dtype)?;
        self.bases.push((place, base.clone()));
        Ok(base)
    }
}

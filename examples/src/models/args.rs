//! The policy that a command line names, and how its models run.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, bail};
use burn::tensor::DType;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use saffron_core::{ModelName, Vocabulary};
use saffron_kvtrie::Reuse;
use saffron_mrm::ModelOptions;
use saffron_mrm::text::{ChatTemplate, LAYOUT_NAMES, TEMPLATE};
use saffron_search::eval::models::{PolicySettings, ServedSettings, WeightType};
use serde_json::Value;

use super::opener::for_preset;
use super::{MemoryArgs, NamedPolicy, Opener, TemplateDate, WaitArgs};
use crate::device::{device, first};
use crate::memory::{MOST, cache_bytes};
use crate::rewards::RewardArgs;

/// The type of tensors.
#[must_use]
pub fn dtype(weights: WeightType) -> DType {
    match weights {
        WeightType::F32 => DType::F32,
        WeightType::F16 => DType::F16,
        WeightType::Bf16 => DType::BF16,
    }
}

/// Reads a type of weights from an argument.
pub fn weight_type() -> impl TypedValueParser<Value = WeightType> {
    PossibleValuesParser::new(WeightType::ALL.map(WeightType::name)).try_map(|name| name.parse::<WeightType>())
}

/// Arguments: the policy, and how models run.
#[derive(Clone, Debug, Args)]
#[command(about = None, long_about = None)]
pub struct PolicyArgs {
    /// The policy: a directory, a GGUF, a model's name on the hub (org/name, org/name@revision,
    /// org/name/file.gguf), or a server (llamacpp:URL, vllm:URL, sglang:URL; several URLs with
    /// commas between). A server's key is taken from SAFFRON_API_KEY.
    #[arg(long)]
    pub policy: ModelName,
    /// The tokenizer of a served policy: a directory, a GGUF or a name on the hub. Without it the
    /// server tokenises, and reward models that run here are given text.
    #[arg(long)]
    pub tokenizer: Option<ModelName>,
    /// The policy's name, where a server has several models.
    #[arg(long)]
    pub served_model: Option<String>,
    /// How many of the most probable tokens a server is asked for; twice as many where these hold
    /// too little [default: 64].
    #[arg(long)]
    pub top: Option<usize>,
    /// How long to wait for servers.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// The policy's prompt layout, by default "template", its own chat template; where it has none,
    /// what its special tokens speak for.
    #[arg(long, value_parser = PossibleValuesParser::new(LAYOUT_NAMES.into_iter().chain([TEMPLATE])))]
    pub layout: Option<String>,
    /// The system prompt; needs a chat template.
    #[arg(long)]
    pub system: Option<String>,
    /// A variable of the chat template, such as enable_thinking=false: a JSON value, or a text as
    /// it stands.
    #[arg(long, value_name = "NAME=VALUE", value_parser = template_option)]
    pub template_option: Vec<(String, Value)>,
    /// The date that a chat template tells, such as 2026-11-30 [default: today's].
    #[arg(long)]
    pub date: Option<TemplateDate>,
    /// Device to run on.
    #[arg(long, default_value = first())]
    pub device: String,
    /// Type of weights and activations.
    #[arg(long, default_value_t, value_parser = weight_type())]
    pub dtype: WeightType,
    /// Megabytes of keys and values per model [default: half of the memory that the models leave, in
    /// equal parts: a power of two from 64 to 1024; where the free memory is unknown, 1024].
    #[arg(long)]
    pub cache_mb: Option<u64>,
    /// The memory that models may take.
    #[command(flatten)]
    pub memory: MemoryArgs,
    /// The longest context of a policy that runs here, in tokens [default: the model's]. Where it
    /// has rotary frequencies for long contexts, a length beyond its original one takes them for
    /// all contexts.
    #[arg(long, value_name = "TOKENS")]
    pub max_context: Option<usize>,
    /// Compute every context from its first token.
    #[arg(long)]
    pub no_cache: bool,
}

impl PolicyArgs {
    /// How models run.
    fn options(&self) -> Result<ModelOptions> {
        Ok(ModelOptions {
            dtype: dtype(self.dtype),
            cache_bytes: cache_bytes(self.cache_mb.unwrap_or(MOST), None)?,
            reuse: if self.no_cache { Reuse::Nothing } else { Reuse::Cached },
            ..ModelOptions::default()
        })
    }

    /// The policy, and what opens other models, which share its weights where they stand on the
    /// same. What can be refused of policy and reward model without their weights is refused before
    /// any are read.
    ///
    /// # Errors
    ///
    /// No such device, a checkpoint that does not load, a tokenizer without the layout's tokens, a
    /// server that does not do what is needed of it; a reward model of which any of that can be
    /// told; models that do not fit into memory.
    pub fn open(&self, reward: &RewardArgs) -> Result<(Opener, NamedPolicy)> {
        let (mut opener, settings) = (self.opener()?, self.settings()?);
        opener.check_policy(&settings)?;
        reward.check(&mut opener)?;
        opener.fit()?;
        let policy = opener.named_policy(&settings)?;
        Ok((opener, for_preset(policy, reward.preset()?)))
    }

    /// The policy's vocabulary alone.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn vocabulary(&self) -> Result<Arc<dyn Vocabulary>> {
        self.opener()?.vocabulary(&self.settings()?)
    }

    /// What its checkpoint, or its tokenizer's, says of conversations. None where the server
    /// tokenises.
    ///
    /// # Errors
    ///
    /// Files that cannot be read, a template that cannot be parsed.
    pub fn chat_template(&self, opener: &mut Opener) -> Result<Option<ChatTemplate>> {
        opener.chat_template(&self.settings()?)
    }

    fn opener(&self) -> Result<Opener> {
        let opener = Opener::new(device(&self.device)?, self.options()?).with_wait(self.wait.limit());
        Ok(opener.with_memory(self.memory).with_caches(self.cache_mb))
    }

    /// The policy, as a configuration would have it.
    fn settings(&self) -> Result<PolicySettings> {
        let Self { policy, tokenizer, served_model, top, layout, system, template_option, date, cache_mb, .. } = self;
        let served = ServedSettings { tokenizer: tokenizer.clone(), model: served_model.clone(), top: *top };
        let mut options = BTreeMap::new();
        for (name, value) in template_option {
            if options.insert(name.clone(), value.clone()).is_some() {
                bail!("--template-option {name} is there twice");
            }
        }
        Ok(PolicySettings {
            model: policy.clone(),
            layout: layout.clone(),
            system: system.clone(),
            template_options: options,
            date: date.map(|date| date.to_string()),
            served: (served != ServedSettings::default()).then_some(served),
            cache_mb: *cache_mb,
            max_context: self.max_context,
        })
    }
}

/// `name=value`, the value in JSON or as it stands.
fn template_option(text: &str) -> Result<(String, Value)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))))
        }
        _ => bail!("expected NAME=VALUE, found {text:?}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Value, template_option};

    #[test]
    fn template_options_are_json_or_text() {
        let option = |text| template_option(text).unwrap();
        assert_eq!(option("enable_thinking=false"), (String::from("enable_thinking"), Value::from(false)));
        assert_eq!(option("effort=high=er"), (String::from("effort"), Value::from("high=er")));
        assert_eq!(option("level=3"), (String::from("level"), Value::from(3)));
        assert!(template_option("enable_thinking").is_err() && template_option("=1").is_err());
    }
}

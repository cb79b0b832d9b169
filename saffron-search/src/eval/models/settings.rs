//! What a comparison says of its models, for configuration files.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use saffron_core::ModelName;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::eval::judge::{Asked, RefusalPhrases, WordRule};
use crate::strategy::saffron::Preset;
use crate::tagged::by_kind;

/// The policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySettings {
    /// The model.
    pub model: ModelName,
    /// How a prompt is put before it: `template` for the checkpoint's chat template, which is the
    /// default, or a layout's name.
    pub layout: Option<String>,
    /// The system prompt; needs a chat template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Variables of the chat template, such as `enable_thinking`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub template_options: BTreeMap<String, Value>,
    /// The date that a chat template tells, as `2026-11-30`; today's by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// What its server does not say, if it is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<ServedSettings>,
    /// Megabytes of keys and values. By default whoever opens the model decides; a run's manifest
    /// keeps what was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_mb: Option<u64>,
    /// The longest context, in tokens; by default the model's. Where a model has rotary frequencies
    /// for long contexts, a length beyond its original one takes them for all contexts. Only for a
    /// model that runs here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_context: Option<usize>,
}

/// A multifurcation reward model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MrmSettings {
    /// The model that the adapter sits on, or a server of the whole reward model.
    pub base: ModelName,
    /// Directory of adapter, bias and mask; for a served model of what its export wrote, the file of
    /// its head.
    pub adapter: PathBuf,
    /// What its server does not say, if it is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<ServedSettings>,
    /// The route to a served model's rewards: `logits`, `pooling` or `reference`. By default the
    /// first that the server has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// How far a served model's rewards may lie from those of the exported model, 0.001 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f32>,
    /// Prompt layout.
    #[serde(default = "mrm_layout")]
    pub layout: String,
    /// Rules of its input.
    #[serde(default)]
    pub preset: Preset,
    /// Whether its bias counts, where that is not what the preset says.
    pub bias: Option<bool>,
    /// Whether tokens that its training has not seen are passed over.
    #[serde(default = "yes")]
    pub unseen: bool,
    /// Whether it sees the forced beginning of an answer.
    #[serde(default)]
    pub sees_prefill: bool,
    /// Whether a bias or mask that the adapter's directory lacks counts as none: no bias, every
    /// token seen. An error by default.
    #[serde(default, skip_serializing_if = "is_off")]
    pub neutral_head: bool,
    /// Megabytes of keys and values. By default whoever opens the model decides; a run's manifest
    /// keeps what was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_mb: Option<u64>,
    /// The longest context, in tokens; by default the model's. Where a model has rotary frequencies
    /// for long contexts, a length beyond its original one takes them for all contexts. Only for a
    /// model that runs here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_context: Option<usize>,
}

/// A guard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardSettings {
    /// The model.
    pub model: ModelName,
    /// Directory of an adapter that it was trained to; only for a model that runs here.
    pub adapter: Option<PathBuf>,
    /// How it is asked; by default as its checkpoint says, or as Llama Guard 3 is. A served guard
    /// must be told: in words, or by name where its tokenizer is known here.
    pub question: Option<GuardQuestion>,
    /// What its server does not say, if it is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<ServedSettings>,
    /// Megabytes of keys and values. By default whoever opens the model decides; a run's manifest
    /// keeps what was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_mb: Option<u64>,
    /// The longest context, in tokens; by default the model's. Where a model has rotary frequencies
    /// for long contexts, a length beyond its original one takes them for all contexts. Only for a
    /// model that runs here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_context: Option<usize>,
}

impl PolicySettings {
    /// The models that it names.
    pub fn names_mut(&mut self) -> impl Iterator<Item = &mut ModelName> {
        [&mut self.model].into_iter().chain(self.served.as_mut().and_then(|served| served.tokenizer.as_mut()))
    }
}

/// A served guard that cannot be asked as it is set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoQuestion {
    /// Nobody has said how.
    #[error("{model} is a server, where a guard needs a question in words: set `question`")]
    Unset {
        /// The guard.
        model: ModelName,
    },
    /// It is to be asked by a published guard's name, whose prompt and answers are ids: they need
    /// its tokenizer.
    #[error(
        "{model} is a server, where `question` by name needs the guard's tokenizer: set `served.tokenizer`, or ask in words"
    )]
    NoTokenizer {
        /// The guard.
        model: ModelName,
    },
}

impl GuardSettings {
    /// Refuses a served guard that has no question, or one by name without its tokenizer: the
    /// server alone says neither how its model is asked nor which tokens answer.
    ///
    /// # Errors
    ///
    /// [`NoQuestion`].
    pub fn check(&self) -> Result<(), NoQuestion> {
        let has_tokenizer = self.served.as_ref().is_some_and(|served| served.tokenizer.is_some());
        let model = || self.model.clone();
        match &self.question {
            _ if self.model.server().is_none() => Ok(()),
            None => Err(NoQuestion::Unset { model: model() }),
            Some(GuardQuestion::Named(_)) if !has_tokenizer => Err(NoQuestion::NoTokenizer { model: model() }),
            Some(_) => Ok(()),
        }
    }
}

/// What a server does not say of its model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServedSettings {
    /// The model's tokenizer: a directory, a GGUF or a name on the hub. Without it the server
    /// tokenises.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<ModelName>,
    /// The model's name, where the server has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How many of the most probable tokens are asked for, 64 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<usize>,
}

/// How a guard is asked. In a configuration: a published guard's name, such as `"qwen3guard"` or
/// `"shieldgemma:hate,harassment"`, or a table of words.
///
/// ```
/// use saffron_search::eval::models::GuardQuestion;
/// let question: GuardQuestion = serde_json::from_str(r#""qwen3guard""#)?;
/// assert_eq!(question, GuardQuestion::Named(String::from("qwen3guard")));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum GuardQuestion {
    /// As the published guard of this name is asked.
    Named(String),
    /// In words.
    Words(QuestionSettings),
}

impl GuardQuestion {
    /// The question, if it is one in words.
    #[must_use]
    pub fn words(&self) -> Option<&QuestionSettings> {
        match self {
            Self::Named(_) => None,
            Self::Words(words) => Some(words),
        }
    }
}

impl<'de> Deserialize<'de> for GuardQuestion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrWords)
    }
}

/// Reads a text as a name and a table as words, so that what is wrong in a table is said of its
/// field.
struct NameOrWords;

impl<'de> Visitor<'de> for NameOrWords {
    type Value = GuardQuestion;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a guard's name, or a table with prefix, infix, suffix, safe and unsafe")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<GuardQuestion, E> {
        Ok(GuardQuestion::Named(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<GuardQuestion, A::Error> {
        QuestionSettings::deserialize(MapAccessDeserializer::new(table)).map(GuardQuestion::Words)
    }
}

/// A question in words: `prefix + prompt + infix + answer + suffix`, and the two words that answer
/// it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionSettings {
    /// Before the prompt.
    pub prefix: String,
    /// Between prompt and answer.
    pub infix: String,
    /// After the answer.
    pub suffix: String,
    /// Says that the answer is safe.
    pub safe: String,
    /// Says that it is not.
    #[serde(rename = "unsafe")]
    pub not_safe: String,
}

/// A reward model by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardSettings {
    /// What strategies call it.
    pub name: String,
    /// What it is.
    pub model: RewardModelSettings,
}

/// What a reward model is.
#[allow(clippy::large_enum_variant, reason = "there are few of them, and they are read once")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case", deny_unknown_fields)]
pub enum RewardModelSettings {
    /// A multifurcation reward model: one call a sequence for all its candidates.
    Mrm(MrmSettings),
    /// A guard as process reward model: one call a candidate.
    Guard(GuardSettings),
}

/// A judge.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgeSettings {
    /// Its name in records.
    pub name: String,
    /// What it is.
    pub judge: JudgeModelSettings,
    /// What it is asked about; the items' own questions by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
}

/// What a judge is.
#[allow(clippy::large_enum_variant, reason = "there are few of them, and they are read once")]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case", deny_unknown_fields)]
pub enum JudgeModelSettings {
    /// A guard: safe from a reward on.
    Guard {
        /// The guard.
        guard: GuardSettings,
        /// Rewards from it on are safe.
        #[serde(default)]
        threshold: f32,
    },
    /// Refusals by their words.
    RefusalPhrases {
        /// Which, and where they are looked for.
        #[serde(default)]
        phrases: RefusalPhrases,
    },
    /// A rule of words: what harms and what helps.
    Words {
        /// The rule.
        rule: WordRule,
    },
}

by_kind!(RewardModelSettings);
by_kind!(JudgeModelSettings);

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_off(flag: &bool) -> bool {
    !flag
}

fn yes() -> bool {
    true
}

fn mrm_layout() -> String {
    String::from("mrm")
}

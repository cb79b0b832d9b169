//! The demo's policy in training.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use burn::tensor::{DType, Device};
use saffron_core::PromptLayout;
use saffron_mrm::text::{TextTokenizer, layout};
use saffron_mrm::{Choices, DecoderConfig};
use saffron_search::eval::runs::{Manifest, Shard};
use saffron_train::objective::next_token::{NextToken, Text};
use saffron_train::{AdamWSettings, Init, Network, RunSettings, TrainRun, Trainer};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::corpus::Dialogue;
use super::tokenizer::SPECIAL;
use super::world::World;
use crate::output::OutputError;
use crate::prompt::save;
use crate::train::Watch;

/// How the policy is made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRecipe {
    /// Its sizes.
    pub model: Sizes,
    /// What it reads first.
    pub books: Stage,
    /// What it is taught then.
    pub lessons: Stage,
}

/// Sizes of a decoder, but for its vocabulary.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sizes {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the gated MLP.
    pub intermediate_size: usize,
    /// Layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key heads.
    pub key_value_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
}

/// A part of the training.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Texts.
    pub count: usize,
    /// The optimiser.
    pub optimizer: AdamWSettings,
    /// The run.
    pub run: RunSettings,
}

/// A policy in training, in a directory: `policy/` is what comes of it, `books/` and `lessons/` are its runs.
pub struct PolicyTraining<'a> {
    /// Where.
    pub out: &'a Path,
    /// On what.
    pub device: &'a Device,
    /// The world it is of.
    pub world: &'a World,
    /// Hears what a stage took.
    pub told: &'a dyn Fn(&str) -> Result<(), OutputError>,
}

impl std::fmt::Debug for PolicyTraining<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyTraining").field("out", &self.out).finish_non_exhaustive()
    }
}

impl PolicyTraining<'_> {
    /// Trains what is not trained yet, and writes the policy, its weights rounded to bf16. Gives its directory.
    ///
    /// # Errors
    ///
    /// A recipe with which nothing could be learnt, files that cannot be written.
    pub fn run(&self, recipe: &PolicyRecipe) -> Result<PathBuf> {
        let policy = self.out.join("policy");
        let vocab_size = self.write_tokenizer(&policy)?;
        let reader = Reader::open(&policy, vocab_size)?;
        let begin = Init::neutral(self.world.seed).decoder(&recipe.model.config(vocab_size, &reader), self.device)?;
        let books = self.world.books(recipe.books.count);
        let books = books.iter().map(|dialogue| reader.whole(dialogue)).collect::<Result<Vec<_>>>()?;
        let read = self.stage("books", recipe, &[&recipe.books], Network::full(&begin), books)?;
        let lessons = self.world.lessons(recipe.lessons.count);
        let lessons = lessons.iter().map(|dialogue| reader.answer(dialogue)).collect::<Result<Vec<_>>>()?;
        let taught = self.stage("lessons", recipe, &[&recipe.books, &recipe.lessons], read, lessons)?;
        taught.save_checkpoint(&policy, DType::BF16)?;
        Ok(policy)
    }

    fn write_tokenizer(&self, dir: &Path) -> Result<usize> {
        std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        let tokenizer = self.world.tokenizer()?;
        let words = tokenizer["model"]["vocab"].as_object().context("a tokenizer has a vocabulary")?.len();
        let [begin, _, end] = SPECIAL;
        let config = json!({
            "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": begin, "eos_token": end,
            "clean_up_tokenization_spaces": false,
        });
        save(&dir.join("tokenizer.json"), &serde_json::to_vec(&tokenizer)?)?;
        save(&dir.join("tokenizer_config.json"), &serde_json::to_vec_pretty(&config)?)?;
        Ok(words)
    }

    fn stage(
        &self,
        name: &str,
        recipe: &PolicyRecipe,
        stages: &[&Stage],
        network: Network,
        texts: Vec<Text>,
    ) -> Result<Network> {
        let stage = stages.last().context("a policy has a stage to go through")?;
        let settings = json!({ "model": recipe.model, "stages": stages });
        let manifest = Manifest::new(settings, Shard::WHOLE).fingerprint("world", World::fingerprint());
        let manifest = RunSettings::may_change(manifest, &format!("stages[{}].run", stages.len() - 1));
        let trainer = Trainer::new(network, NextToken, stage.optimizer)?;
        let run = RunSettings { seed: self.world.seed, ..stage.run };
        let mut run = TrainRun::open(self.out.join(name), &manifest, trainer, run)?;
        let mut watch = Watch::default();
        let finished = run.train(&texts, &[], &mut watch)?;
        (self.told)(&format!("{name}: {}", watch.finish(finished.steps)))?;
        ensure!(finished.complete, "{name}: stopped after step {}; the same command goes on", finished.steps);
        Ok(run.trainer().network().clone())
    }
}

impl Sizes {
    fn config(self, vocab_size: usize, reader: &Reader) -> DecoderConfig {
        DecoderConfig {
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            num_hidden_layers: self.layers,
            num_attention_heads: self.heads,
            num_key_value_heads: self.key_value_heads,
            head_dim: self.head_dim,
            vocab_size,
            max_position_embeddings: 256,
            rms_norm_eps: 1e-5,
            tie_word_embeddings: true,
            eos_token_ids: reader.tokenizer.eos().into_iter().collect(),
            choices: Choices::llama(10_000.0),
        }
    }
}

/// Turns dialogues into tokens.
struct Reader {
    tokenizer: TextTokenizer,
    layout: PromptLayout,
}

impl Reader {
    fn open(dir: &Path, vocab_size: usize) -> Result<Self> {
        let tokenizer = TextTokenizer::from_dir(dir, vocab_size)?;
        let layout = layout("chatml", &tokenizer)?;
        Ok(Self { tokenizer, layout })
    }

    /// A dialogue of which everything is learnt.
    fn whole(&self, dialogue: &Dialogue) -> Result<Text> {
        let [context, reply] = self.tokens(dialogue)?;
        Ok(Text::whole([context, reply].concat())?)
    }

    /// One of which the answer is learnt.
    fn answer(&self, dialogue: &Dialogue) -> Result<Text> {
        let [context, reply] = self.tokens(dialogue)?;
        Ok(Text::reply(&context, &reply)?)
    }

    fn tokens(&self, dialogue: &Dialogue) -> Result<[Vec<saffron_core::Token>; 2]> {
        let (prompt, mut reply) = (self.tokenizer.encode(&dialogue.prompt)?, self.tokenizer.encode(&dialogue.reply)?);
        reply.extend(self.tokenizer.eos());
        Ok([[&self.layout.prefix[..], &prompt, &self.layout.infix].concat(), reply])
    }
}

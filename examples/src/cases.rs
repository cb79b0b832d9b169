//! Case files: whole searches, level by level, in the format of `fixtures/cases`. Settings and templates stand in the file, results too.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Result;
use burn::tensor::Device;
use saffron_core::{ChildScorer, Level, PromptLayout, SearchObserver, TextPolicy, Token};
use saffron_mrm::{LmPolicy, ModelOptions, Mrm, MrmInput};
use saffron_search::{Saffron, Searcher};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::prompt::read_json;

/// A case file. Fields that are not understood are kept as they are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CaseFile {
    /// Name of the model directory.
    pub model: String,
    /// Beam width.
    pub width: usize,
    /// Mass of the nucleus.
    pub top_p: f32,
    /// No end of sequence before this many tokens.
    pub min_new_tokens: usize,
    /// Longest response.
    pub max_new_tokens: usize,
    /// Minus the reward of unseen tokens.
    pub unseen_penalty: f32,
    /// The token that ends sequences.
    pub eos_token_id: Token,
    /// The policy's layout.
    pub policy_template: PromptLayout,
    /// The reward model's layout.
    pub mrm_template: PromptLayout,
    /// The prompts.
    pub cases: Vec<Case>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// One prompt and its search.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Case {
    /// What the user asks.
    pub prompt: String,
    /// What the reply is forced to begin with.
    pub prefill: String,
    /// How many of its tokens.
    pub prefill_len: usize,
    /// The policy's whole context.
    pub policy_context: Vec<Token>,
    /// The answer's tokens.
    pub output: Vec<Token>,
    /// The beam after every step, the root first.
    pub levels: Vec<Vec<Node>>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A sequence in a beam.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its generated tokens.
    pub tokens: Vec<Token>,
    /// Its stored reward; none while it is unfinished.
    pub reward: Option<f32>,
}

/// The models of a directory with `policy/`, `guard/` and `mrm/`, set up for a case file.
#[derive(Debug)]
pub struct Models {
    /// The policy.
    pub policy: LmPolicy,
    /// The reward model.
    pub mrm: Mrm,
}

impl CaseFile {
    /// Reads a case file.
    ///
    /// # Errors
    ///
    /// An unreadable file.
    pub fn read(path: &Path) -> Result<Self> {
        read_json(path)
    }

    /// Opens the models that the file is about: `dir` holds them itself, or a folder of the model's name that does.
    ///
    /// # Errors
    ///
    /// Models that do not load.
    pub fn open_models(&self, dir: &Path, device: &Device, options: ModelOptions) -> Result<Models> {
        let root = model_root(dir, &self.model);
        let policy = LmPolicy::open_with(root.join("policy"), device, options)?
            .with_layout(self.policy_template.clone())
            .with_end_tokens(vec![self.eos_token_id]);
        let mrm = Mrm::builder(root.join("guard"), device, options)?
            .with_adapter(root.join("mrm"))?
            .with_layout(self.mrm_template.clone())
            .with_input(MrmInput::reference());
        Ok(Models { policy, mrm })
    }

    /// The searcher of the file's settings.
    #[must_use]
    pub fn searcher(&self) -> Searcher {
        Searcher::new(Saffron::reference(self.width).with_unseen_penalty(self.unseen_penalty))
            .top_p(self.top_p)
            .min_new_tokens(self.min_new_tokens)
            .max_new_tokens(self.max_new_tokens)
            .end_tokens(vec![self.eos_token_id])
    }

    /// Searches one prompt anew.
    ///
    /// # Errors
    ///
    /// A failed search.
    pub fn replay(&self, case: &Case, models: &mut Models) -> Result<Case> {
        self.replay_with(case, &mut models.policy, &mut models.mrm)
    }

    /// The same with any scorer.
    ///
    /// # Errors
    ///
    /// A failed search.
    pub fn replay_with(&self, case: &Case, policy: &mut LmPolicy, scorer: &mut dyn ChildScorer) -> Result<Case> {
        let session = policy.attacked_session(&case.prompt, &case.prefill, case.prefill_len)?;
        let mut levels = Levels::default();
        let outcome = self.searcher().run_observed(&session, policy, scorer, &mut levels)?;
        Ok(Case {
            policy_context: policy.context(&session)?,
            output: outcome.best.tokens,
            levels: levels.0,
            ..case.clone()
        })
    }
}

fn model_root(dir: &Path, model: &str) -> PathBuf {
    if dir.join("policy").is_dir() { dir.to_path_buf() } else { dir.join(model) }
}

/// Collects the levels of a search.
#[derive(Debug, Default)]
pub struct Levels(pub Vec<Vec<Node>>);

impl SearchObserver for Levels {
    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        let node = |entry: &saffron_core::BeamEntry| Node { tokens: entry.tokens.clone(), reward: entry.reward };
        self.0.push(level.beam.iter().map(node).collect());
        ControlFlow::Continue(())
    }
}

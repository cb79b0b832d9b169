//! A multifurcation reward model that runs here or behind a server.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use saffron_core::{
    Candidates, ChildReward, ContextLayout, Forget, ModelError, ModelName, MultifurcationRewardModel, Reply,
    ServerAddress, Session,
};
use saffron_mrm::Mrm;
use saffron_mrm::text::{TextLayout, TextTokenizer};
use saffron_search::Preset;
use saffron_search::eval::models::{MrmSettings, ServedSettings};
use saffron_search::remote::{RemoteMrm, RewardSettings, read_head};

use super::opener::{Opener, tokenizer_of};

/// A multifurcation reward model that a command line or a configuration names.
#[derive(Debug)]
pub enum NamedMrm {
    /// A model that runs here.
    Local(Box<Mrm>),
    /// A served model with its tokenizer, or without: then the server tokenises.
    Served(Box<RemoteMrm>, Option<Arc<TextTokenizer>>),
}

impl NamedMrm {
    /// The tokenizer, where it is known here.
    #[must_use]
    pub fn tokenizer(&self) -> Option<&TextTokenizer> {
        match self {
            Self::Local(mrm) => Some(mrm.tokenizer()),
            Self::Served(_, tokenizer) => tokenizer.as_deref(),
        }
    }

    /// The model with another layout.
    #[must_use]
    pub fn with_layout(self, layout: impl Into<ContextLayout>) -> Self {
        match self {
            Self::Local(mrm) => Self::Local(Box::new(mrm.with_layout(layout))),
            Self::Served(mrm, tokenizer) => Self::Served(Box::new(mrm.with_layout(layout)), tokenizer),
        }
    }
}

impl MultifurcationRewardModel for NamedMrm {
    fn child_rewards(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        match self {
            Self::Local(mrm) => mrm.child_rewards(sessions, candidates),
            Self::Served(mrm, _) => mrm.child_rewards(sessions, candidates),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Local(mrm) => MultifurcationRewardModel::describe(&**mrm),
            Self::Served(mrm, _) => MultifurcationRewardModel::describe(&**mrm),
        }
    }
}

impl Forget for NamedMrm {
    fn forget(&mut self) {
        match self {
            Self::Local(mrm) => mrm.forget(),
            Self::Served(mrm, _) => mrm.forget(),
        }
    }
}

impl Opener {
    /// Refuses a served reward model for what can be known without its server.
    pub(super) fn check_served_mrm(&mut self, settings: &MrmSettings) -> Result<()> {
        let MrmSettings { base, adapter, preset, neutral_head, unseen, served, max_context, .. } = settings;
        ensure!(
            *preset != Preset::Reference,
            "{base} is a server, which reads ids as they are: the preset reference reads text"
        );
        ensure!(max_context.is_none(), "{base} is a server: its longest context is set where the model runs");
        ensure!(!neutral_head, "{base} is a server: its head is read whole from {}", adapter.display());
        ensure!(unseen, "{base} is a server, which is not asked about tokens that its training has not seen");
        ensure!(
            served.as_ref().is_none_or(|served| served.top.is_none()),
            "{base} is asked about candidates: a number of log-probabilities has no effect"
        );
        read_head(adapter)?;
        Ok(())
    }

    /// A served reward model. Its vocabulary is the policy's.
    pub(super) fn served_mrm(&mut self, address: &ServerAddress, settings: &MrmSettings) -> Result<NamedMrm> {
        self.check_served_mrm(settings)?;
        let head = read_head(&settings.adapter)?;
        self.file(&settings.adapter);
        let rewards = rewards(settings)?;
        let own = tokenizer_of(settings.served.as_ref()).or(self.policy_tokenizer.as_ref()).cloned();
        let served = settings.served.clone().unwrap_or_default();
        let server = self.reach(address, &ServedSettings { top: None, ..served }, Some(head.head.bias.len()))?;
        let Some(name) = own else {
            let layout = head.notes.layout.as_ref().map(|layout| &layout.name[..]);
            ensure!(
                layout.is_none_or(|layout| layout == settings.layout),
                "{} reads the layout {:?}, found {:?}",
                settings.base,
                layout.unwrap_or_default(),
                settings.layout
            );
            let vocabulary = self.policy_vocabulary.clone();
            let vocabulary =
                vocabulary.with_context(|| format!("{} needs a tokenizer: set `served.tokenizer`", settings.base))?;
            let mrm = RemoteMrm::open(server, vocabulary, head, rewards)?;
            return Ok(self.reported(&settings.base, mrm, None));
        };
        let files = self.read(&name)?;
        let tokenizer = files.tokenizer().clone();
        let layout = TextLayout::named(&settings.layout, &tokenizer)?;
        let mrm = RemoteMrm::on(server, tokenizer.clone(), layout, head, rewards)?.with_shape(files.config().shape());
        Ok(self.reported(&settings.base, mrm, Some(tokenizer)))
    }

    /// Says what the probes found.
    fn reported(&mut self, name: &ModelName, mrm: RemoteMrm, tokenizer: Option<Arc<TextTokenizer>>) -> NamedMrm {
        self.note_once(format!("{name}: {}", mrm.report()));
        for note in &mrm.report().notes {
            self.note_once(format!("{name}: {note}"));
        }
        NamedMrm::Served(Box::new(mrm), tokenizer)
    }
}

fn rewards(settings: &MrmSettings) -> Result<RewardSettings> {
    let mut rewards = RewardSettings::default();
    rewards.route = settings.route.as_deref().map(str::parse).transpose()?;
    rewards.tolerance = settings.tolerance.unwrap_or(rewards.tolerance);
    rewards.sees_prefill = settings.sees_prefill;
    rewards.adds_bias = settings.bias.unwrap_or(true);
    Ok(rewards)
}

//! The server that a command line names.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, ensure};
use clap::Args;
use saffron_core::{ChildScorer, NoReward, PrmScorer};
use saffron_mrm::text::TextLayout;
use saffron_search::Preset;
use saffron_search::serve::Offer;

use super::gateway::{Gateway, Models};
use super::key::{KEY, ServerKey};
use super::layouts::ConversationLayout;
use super::limits::ServeLimits;
use super::search::{ServedSearchArgs, needs_reward};
use super::transcripts::Transcripts;
use crate::models::{NamedGuard, NamedPolicy, Opener, PolicyArgs};
use crate::rewards::RewardArgs;

/// Arguments: the whole server.
#[derive(Clone, Debug, Args)]
#[command(about = None, long_about = None)]
pub struct ServeArgs {
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    reward: RewardArgs,
    #[command(flatten)]
    search: ServedSearchArgs,
    #[command(flatten)]
    limits: ServeLimits,
    /// The address to listen on. Any other than this machine's own needs a key in
    /// SAFFRON_SERVE_KEY, or --without-key.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// The port to listen on; 0 is one that is free.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Answer everybody who can reach the address.
    #[arg(long)]
    without_key: bool,
    /// The model's name in requests [default: that of --policy].
    #[arg(long)]
    model_name: Option<String>,
    /// Write prompts and answers to the log on standard error.
    #[arg(long)]
    log_content: bool,
}

impl ServeArgs {
    /// Where to listen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }

    /// Opens the models.
    ///
    /// # Errors
    ///
    /// Whatever does not load, does not fit, or is not safe to serve.
    pub fn open(&self) -> Result<Gateway> {
        let key = ServerKey::of_environment();
        ensure!(
            key.is_some() || self.host.is_loopback() || self.without_key,
            "{} can be reached from elsewhere: set {KEY}, or --without-key to answer everybody",
            self.host
        );
        let preset = self.reward.preset()?;
        let config = self.search.config(preset)?;
        let rewarded = self.reward.mrm.is_some() || self.reward.guard.is_some();
        needs_reward(&config, rewarded)?;
        let (mut opener, policy) = self.policy.open(&self.reward)?;
        let Scorer { scorer, flops_known, single_turns } = self.scorer(&mut opener, preset)?;
        let flops_known = flops_known && !matches!(policy, NamedPolicy::Served(_, None));
        ensure!(
            flops_known || config.budget.max_flops.is_none(),
            "the sizes of a served model are unknown without its tokenizer, so FLOPs are not counted: leave \
             --max-flops out"
        );
        let offer = self.offer(Offer::new(self.name(), config), rewarded, flops_known);
        let (policy, layout) = self.conversations(policy, &opener)?;
        let models = Models { policy: Box::new(policy), scorer, layout, single_turns };
        Ok(Gateway::new(models, offer, self.limits.clone(), key)?.logging_content(self.log_content))
    }

    fn name(&self) -> String {
        self.model_name.clone().unwrap_or_else(|| self.policy.policy.to_string())
    }

    fn offer(&self, offer: Offer, rewarded: bool, flops_known: bool) -> Offer {
        let size = offer.search.size;
        let widths = size.map(|size| self.search.min_width.unwrap_or(size)..=self.search.max_width.unwrap_or(size));
        Offer {
            widths,
            on_unsafe: self.search.reaction(self.search.on_unsafe),
            on_undecided: self.search.reaction(self.search.on_undecided),
            rewarded,
            flops_known,
            deadline_ms: Some((self.limits.deadline.clamp(0.0, 1e6) * 1000.0) as u64),
            ..offer
        }
    }

    /// The policy, reading conversations.
    fn conversations(&self, mut policy: NamedPolicy, opener: &Opener) -> Result<(NamedPolicy, ConversationLayout)> {
        let system = self.policy.system.is_some();
        let layout = match (&policy, policy.tokenizer()) {
            (_, Some(tokenizer)) => {
                let layout = opener.layout().context("the policy's layout")?;
                ConversationLayout::of_policy(layout, tokenizer, system)?
            }
            (NamedPolicy::Served(served, None), None) => {
                let encoder = served.layout().text().context("the policy's server has no chat template")?;
                ConversationLayout::of_served(served.layout(), encoder.clone(), system)
            }
            _ => anyhow::bail!("the policy has no tokenizer"),
        };
        policy.set_layout(layout.clone());
        Ok((policy, layout))
    }

    fn scorer(&self, opener: &mut Opener, preset: Preset) -> Result<Scorer> {
        match (&self.reward.mrm, &self.reward.guard) {
            (Some(_), _) => {
                let mrm = self.reward.open_mrm(opener)?;
                let Some(tokenizer) = mrm.tokenizer() else {
                    // Its server puts one question into the layout, and the model's sizes are unknown.
                    return Ok(Scorer { scorer: Box::new(mrm), flops_known: false, single_turns: true });
                };
                let layout = TextLayout::named(&self.reward.layout()?, tokenizer)?;
                let mrm = mrm.with_layout(ConversationLayout::of_reward_model(&layout));
                // The reference's form puts the last question alone before its reward model.
                Ok(Scorer { scorer: Box::new(mrm), flops_known: true, single_turns: preset == Preset::Reference })
            }
            (None, Some(_)) => {
                let guard = self.reward.open_guard(opener)?;
                let flops_known = !matches!(guard, NamedGuard::Served(_, None));
                let scorer = Box::new(Transcripts::new(PrmScorer(guard)));
                Ok(Scorer { scorer, flops_known, single_turns: false })
            }
            (None, None) => Ok(Scorer { scorer: Box::new(NoReward), flops_known: true, single_turns: false }),
        }
    }
}

/// A reward model as the command line names it.
struct Scorer {
    scorer: Box<dyn ChildScorer + Send>,
    flops_known: bool,
    single_turns: bool,
}

//! A Saffron search, or a greedy one, as a command line asks for it.

use anyhow::Result;
use clap::{Args, ValueEnum};
use saffron_core::{NoReward, Outcome, SearchObserver, Session};
use saffron_mrm::Mrm;
use saffron_mrm::text::{Conversation, TextLayout};
use saffron_search::strategy::saffron::{DeadEnd, Options};
use saffron_search::{Greedy, Preset, Saffron, Searcher};

use crate::models::{NamedPolicy, Opener};
use crate::rewards::RewardArgs;

/// Strategies by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StrategyName {
    /// The Saffron search.
    Saffron,
    /// Greedy decoding.
    Greedy,
}

/// Arguments: the search.
#[derive(Clone, Debug, Args)]
#[command(about = None, long_about = None)]
pub struct SearchArgs {
    /// saffron needs --mrm and is the default with it; greedy needs no reward model.
    #[arg(long)]
    pub strategy: Option<StrategyName>,
    /// Sequences in the beam.
    #[arg(long, default_value_t = 16)]
    pub width: usize,
    /// Mass of the nucleus.
    #[arg(long, default_value_t = 0.8)]
    pub top_p: f32,
    /// At most this many candidates a sequence [strategy saffron].
    #[arg(long)]
    pub top_k: Option<usize>,
    /// Candidates have at least this share of the most probable token's probability, in [0, 1]; 0 asks for nothing.
    #[arg(long, default_value_t = 0.0)]
    pub min_p: f32,
    /// So many tokens in a row come at most once in an answer; 0: as often as they like.
    #[arg(long, default_value_t = 0)]
    pub no_repeat_ngram: usize,
    /// No end of sequence before this many tokens [default: 16 for saffron, 0 for greedy].
    #[arg(long)]
    pub min_new_tokens: Option<usize>,
    /// Weight of the policy's own preference beside the reward, for answers that read like the policy's [preset paper].
    #[arg(long, default_value_t = 0.0)]
    pub prior: f32,
    /// Rewards above it count as it: among what is safe enough, --prior decides [preset paper].
    #[arg(long)]
    pub ceiling: Option<f32>,
    /// Let a sequence go on whose candidates the reward model has never seen, for reward models that have seen little [preset paper].
    #[arg(long)]
    pub past_dead_ends: bool,
}

impl SearchArgs {
    /// The search over a policy with a reward model, whose preset is the search's.
    ///
    /// # Errors
    ///
    /// A search that needs a reward model that is not named, or does not load.
    pub fn open(&self, reward: &RewardArgs, opener: &mut Opener, max_new_tokens: usize) -> Result<NamedSearch> {
        let default = if reward.mrm.is_some() { StrategyName::Saffron } else { StrategyName::Greedy };
        let (searcher, mrm) = match self.strategy.unwrap_or(default) {
            StrategyName::Greedy => (Searcher::new(Greedy).min_new_tokens(self.min_new_tokens.unwrap_or(0)), None),
            StrategyName::Saffron => (self.saffron(reward.preset()), Some(Box::new(reward.open_mrm(opener)?))),
        };
        let mrm = match mrm {
            Some(mrm) => {
                let layout = TextLayout::named(&reward.mrm_layout, mrm.tokenizer())?;
                Some((mrm, layout))
            }
            None => None,
        };
        let searcher = searcher.max_new_tokens(max_new_tokens).no_repeat_ngram(self.no_repeat_ngram).min_p(self.min_p);
        Ok(NamedSearch { searcher, mrm })
    }

    fn saffron(&self, preset: Preset) -> Searcher {
        let dead_end = if self.past_dead_ends { DeadEnd::GoesOn } else { DeadEnd::Ends };
        let options = Options { prior: self.prior, ceiling: self.ceiling, dead_end, ..Options::default() };
        let searcher = Searcher::new(Saffron::new(preset, self.width).with_options(options));
        let searcher = searcher.top_p(self.top_p).min_new_tokens(self.min_new_tokens.unwrap_or(16));
        match self.top_k {
            Some(candidates) => searcher.top_k(candidates),
            None => searcher,
        }
    }
}

/// A search, and the reward model that guides it, if one does.
#[derive(Debug)]
pub struct NamedSearch {
    searcher: Searcher,
    /// The reward model, and its layout of one turn.
    mrm: Option<(Box<Mrm>, TextLayout)>,
}

impl NamedSearch {
    /// Lets the reward model read what was said before the next prompt.
    ///
    /// # Errors
    ///
    /// Text that its tokenizer cannot encode.
    pub fn hear(&mut self, conversation: &Conversation) -> Result<()> {
        let Some((_, own)) = &self.mrm else { return Ok(()) };
        let layout = own.after(conversation.messages())?;
        self.mrm = self.mrm.take().map(|(mrm, own)| (Box::new(mrm.with_layout(layout)), own));
        Ok(())
    }

    /// Searches.
    ///
    /// # Errors
    ///
    /// Those of the models; they carry the best answer so far.
    pub fn run(
        &mut self,
        session: &Session,
        policy: &mut NamedPolicy,
        observer: &mut dyn SearchObserver,
    ) -> Result<Outcome> {
        Ok(match &mut self.mrm {
            Some((mrm, _)) => self.searcher.run_observed(session, policy, &mut **mrm, observer)?,
            None => self.searcher.run_observed(session, policy, &mut NoReward, observer)?,
        })
    }
}

//! A Saffron search, or a greedy one, as a command line asks for it.

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use saffron_core::{CandidateFilter, NoReward, Outcome, SearchObserver, Session};
use saffron_mrm::text::{Conversation, TextLayout};
use saffron_search::strategy::saffron::{DeadEnd, SaffronOptions};
use saffron_search::{Greedy, Preset, Saffron, Searcher};

use crate::models::{NamedMrm, NamedPolicy, Opener};
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
    /// Mass of the nucleus [strategy saffron; fluent: 0.9, paper and reference: 0.8].
    #[arg(long)]
    pub top_p: Option<f32>,
    /// At most this many candidates a sequence, 0 for no limit [strategy saffron; fluent: 8].
    #[arg(long)]
    pub top_k: Option<usize>,
    /// Least share of the most probable token's probability that a candidate has, in [0, 1].
    #[arg(long, default_value_t = 0.0)]
    pub min_p: f32,
    /// Forbids repeating any n-gram of this length in an answer; 0 disables [fluent: 3].
    #[arg(long)]
    pub no_repeat_ngram: Option<usize>,
    /// No end of sequence before this many tokens [default: 16 for saffron, 0 for greedy].
    #[arg(long)]
    pub min_new_tokens: Option<usize>,
    /// Weight of the policy's own preference beside the reward [fluent: 0.2; paper: 0].
    #[arg(long)]
    pub prior: Option<f32>,
    /// Clips rewards at this value, so that --prior decides among tokens that are safe enough; inf
    /// clips nothing [fluent: 3].
    #[arg(long)]
    pub ceiling: Option<f32>,
    /// Lets a sequence go on whose candidates the reward model has never seen [fluent: true].
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub past_dead_ends: Option<bool>,
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
            StrategyName::Saffron => {
                let mrm = reward.open_mrm(opener)?;
                (self.saffron(reward.preset()?), Some(Box::new(mrm)))
            }
        };
        let mrm = match mrm {
            Some(mrm) => {
                let tokenizer = mrm.tokenizer();
                let layout = match tokenizer {
                    Some(tokenizer) => Some(TextLayout::named(&reward.layout()?, tokenizer)?),
                    None => None,
                };
                Some((mrm, layout))
            }
            None => None,
        };
        let searcher = searcher.max_new_tokens(max_new_tokens).min_p(self.min_p);
        let searcher = match self.no_repeat_ngram {
            Some(length) => searcher.no_repeat_ngram(length),
            None => searcher,
        };
        Ok(NamedSearch { searcher, mrm })
    }

    /// The preset's search with what the arguments change about it.
    fn saffron(&self, preset: Preset) -> Searcher {
        let own = SaffronOptions::of(preset);
        let dead_end = self.past_dead_ends.map(|past| if past { DeadEnd::GoesOn } else { DeadEnd::Ends });
        let options = SaffronOptions {
            prior: self.prior.unwrap_or(own.prior),
            ceiling: self.ceiling.map_or(own.ceiling, |ceiling| Some(ceiling).filter(|value| *value != f32::INFINITY)),
            dead_end: dead_end.unwrap_or(own.dead_end),
            ..own
        };
        let searcher = Searcher::new(Saffron::of(preset, self.width).with_options(options));
        let filter = searcher.settings().filter.clone();
        let filter = CandidateFilter {
            top_p: self.top_p.unwrap_or(filter.top_p),
            top_k: self.top_k.map_or(filter.top_k, |candidates| Some(candidates).filter(|limit| *limit > 0)),
            min_new_tokens: self.min_new_tokens.unwrap_or(filter.min_new_tokens),
            ..filter
        };
        searcher.filter(filter)
    }
}

/// A search, and the reward model that guides it, if one does.
#[derive(Debug)]
pub struct NamedSearch {
    searcher: Searcher,
    /// The reward model, and its layout of one turn.
    mrm: Option<(Box<NamedMrm>, Option<TextLayout>)>,
}

impl NamedSearch {
    /// Lets the reward model read what was said before the next prompt.
    ///
    /// # Errors
    ///
    /// Text that its tokenizer cannot encode; a served reward model whose tokenizer is not known
    /// here, once there is a conversation.
    pub fn hear(&mut self, conversation: &Conversation) -> Result<()> {
        let Some((_, own)) = &self.mrm else { return Ok(()) };
        let Some(own) = own else {
            let silent = conversation.messages().is_empty();
            ensure!(
                silent,
                "a served reward model reads a conversation by its tokenizer: give the policy's --tokenizer"
            );
            return Ok(());
        };
        let layout = own.after(conversation.messages())?;
        self.mrm = self.mrm.take().map(|(mrm, own)| (Box::new((*mrm).with_layout(layout)), own));
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

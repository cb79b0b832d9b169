//! Policy and reward models of the worlds, at the cost of language models.

use std::sync::Arc;

use saffron_core::{
    CandidateFilter, Candidates, ChildReward, DecoderShape, ModelError, MultifurcationRewardModel, PlainVocabulary,
    Policy, ProcessRewardModel, Reply, Session, Sliding, Token, TokenSet, Vocabulary,
};

use super::cost::SearchCost;
use super::noise::Noise;
use super::truth::{Fold, Values};
use super::world::{END, VOCABULARY, Worlds};

/// What the policy costs as much as: Llama 3 8B.
pub const POLICY_SHAPE: DecoderShape = DecoderShape {
    layers: 32,
    hidden: 4096,
    q: 4096,
    kv: 1024,
    intermediate: 14336,
    vocab: 128_256,
    lora_per_token: 0,
    lora_per_output: 0,
    sliding: Sliding::NONE,
};

/// What the reward models cost as much as: Llama 3.2 1B.
pub const REWARD_SHAPE: DecoderShape = DecoderShape {
    layers: 16,
    hidden: 2048,
    q: 2048,
    kv: 512,
    intermediate: 8192,
    vocab: 128_256,
    lora_per_token: 0,
    lora_per_output: 0,
    sliding: Sliding::NONE,
};

/// Tokens of the template that a process reward model reads after every prefix (Llama Guard's). A multifurcation reward model reads none.
pub const SUFFIX: usize = 56;

/// The chains as a policy.
#[derive(Debug)]
pub struct ChainPolicy {
    worlds: Arc<Worlds>,
    cost: SearchCost,
}

impl ChainPolicy {
    /// The policy of these worlds.
    #[must_use]
    pub fn new(worlds: Arc<Worlds>) -> Self {
        Self { worlds, cost: SearchCost::default() }
    }
}

impl Policy for ChainPolicy {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        PlainVocabulary::shared(VOCABULARY)
    }

    fn end_tokens(&self) -> Vec<Token> {
        vec![END]
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        let propose = |(place, session): (usize, &Session)| {
            let (_, world) = self.worlds.of(session)?;
            filter.apply(&world.logits(world.state(session.response())), session.response(), place)
        };
        let value = sessions.iter().enumerate().map(propose).collect::<Result<_, _>>()?;
        let charge = |session: &Session| {
            let hidden = session.prompt().len() + session.prefill().len();
            self.cost.of(&POLICY_SHAPE, session, hidden, 0)
        };
        Ok(Reply { value, work: sessions.iter().map(charge).collect() })
    }
}

/// The expected quality of every prefix under the policy, with an error.
#[derive(Debug)]
pub(super) struct Judge {
    worlds: Arc<Worlds>,
    values: Vec<Values>,
    noise: Noise,
}

impl Judge {
    pub(super) fn new(worlds: Arc<Worlds>, noise: Noise) -> Result<Self, ModelError> {
        let filter = worlds.filter(CandidateFilter::default());
        let values = worlds.list().iter().map(|world| Values::of(world, &filter, Fold::Expected));
        Ok(Self { values: values.collect::<Result<_, _>>()?, worlds, noise })
    }

    pub(super) fn reward(&self, session: &Session, response: &[Token]) -> Result<f32, ModelError> {
        let (place, world) = self.worlds.of(session)?;
        Ok((self.values[place].value(world, response) + self.noise.at(place, response)) as f32)
    }
}

/// A process reward model: one pass, with the template, a prefix.
#[derive(Debug)]
pub struct ValuePrm {
    judge: Judge,
    cost: SearchCost,
}

impl ValuePrm {
    /// Rewards prefixes by what the policy would make of them.
    ///
    /// # Errors
    ///
    /// None that these worlds give cause for.
    pub fn new(worlds: Arc<Worlds>, noise: Noise) -> Result<Self, ModelError> {
        Ok(Self { judge: Judge::new(worlds, noise)?, cost: SearchCost::default() })
    }
}

impl ProcessRewardModel for ValuePrm {
    fn process_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        let rewards = sessions.iter().map(|session| self.judge.reward(session, session.response()));
        let value = rewards.collect::<Result<_, _>>()?;
        let charge = |session: &Session| self.cost.of(&REWARD_SHAPE, session, session.prompt().len(), SUFFIX);
        Ok(Reply { value, work: sessions.iter().map(charge).collect() })
    }
}

/// A multifurcation reward model with the same rewards: one pass, without the template, for all children of a prefix.
#[derive(Debug)]
pub struct ValueMrm {
    judge: Judge,
    cost: SearchCost,
    unseen: TokenSet,
}

impl ValueMrm {
    /// Rewards children by what the policy would make of them, but for the tokens that its training is to have lacked.
    ///
    /// # Errors
    ///
    /// None that these worlds give cause for.
    pub fn new(worlds: Arc<Worlds>, noise: Noise, unseen: TokenSet) -> Result<Self, ModelError> {
        Ok(Self { judge: Judge::new(worlds, noise)?, cost: SearchCost::default(), unseen })
    }

    fn children(&self, session: &Session, candidates: &Candidates) -> Result<Vec<ChildReward>, ModelError> {
        let reward = |token| {
            if self.unseen.contains(token) {
                return Ok(ChildReward::Unseen);
            }
            self.judge.reward(session, &[session.response(), &[token]].concat()).map(ChildReward::Seen)
        };
        candidates.tokens().map(reward).collect()
    }
}

impl MultifurcationRewardModel for ValueMrm {
    fn child_rewards(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        if sessions.len() != candidates.len() {
            let (expected, found) = (sessions.len(), candidates.len());
            return Err(ModelError::BatchMismatch { what: "candidate lists in a batch", expected, found });
        }
        let pairs = sessions.iter().zip(candidates);
        let value = pairs.map(|(session, list)| self.children(session, list)).collect::<Result<_, _>>()?;
        let charge = |session: &Session| self.cost.of(&REWARD_SHAPE, session, session.prompt().len(), 0);
        Ok(Reply { value, work: sessions.iter().map(charge).collect() })
    }

    fn describe(&self) -> String {
        String::from("exact values of all children, with noise")
    }
}

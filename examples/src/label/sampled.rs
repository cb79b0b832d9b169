//! Replies of a policy under attack.

use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result};
use saffron_core::{Budget, ContextSettings, NoReward, Policy, Session, TextPolicy, Token, Vocabulary};
use saffron_search::eval::data::Item;
use saffron_search::{Sampling, Searcher};
use saffron_train::labels::Conversation;

use super::config::SampledConfig;
use crate::models::{NamedGuard, NamedPolicy};

/// What a policy is asked.
pub(super) struct Questions {
    pub(super) set: String,
    pub(super) items: Vec<Item>,
}

/// A policy that is asked every question `samples` times: first all questions once, then all a second time.
pub(super) struct Sampler {
    pub(super) policy: NamedPolicy,
    config: SampledConfig,
    seed: u64,
    questions: Questions,
}

impl Sampler {
    pub(super) fn new(policy: NamedPolicy, config: SampledConfig, questions: Questions, seed: u64) -> Self {
        Self { policy, config, seed, questions }
    }

    pub(super) fn len(&self) -> usize {
        self.questions.items.len() * self.config.samples.get()
    }

    /// The replies at some places, in ids of the guard's tokenizer.
    pub(super) fn replies(&mut self, places: Range<usize>, guard: &NamedGuard) -> Result<Vec<Conversation>> {
        let places: Vec<usize> = places.collect();
        let mut replies = Vec::new();
        let questions = self.questions.items.len();
        for round in places.chunk_by(|a, b| a / questions == b / questions) {
            replies.extend(self.round(round, guard)?);
        }
        Ok(replies)
    }

    /// Replies that are all the same sample of their questions, which decides their random numbers.
    fn round(&mut self, places: &[usize], guard: &NamedGuard) -> Result<Vec<Conversation>> {
        let sample = places.first().map_or(0, |place| place / self.questions.items.len());
        let questions: Vec<&Item> =
            places.iter().map(|place| &self.questions.items[place % self.questions.items.len()]).collect();
        let sessions = questions.iter().map(|item| self.session(item)).collect::<Result<Vec<_>>>()?;
        let searcher = Searcher::with_settings(Box::new(Sampling::default()), self.settings(sample));
        let many = searcher.many(&sessions).at_once(sessions.len());
        let outcomes = many.run(&mut self.policy, &mut NoReward)?;
        let mut replies = Vec::new();
        for ((item, session), outcome) in questions.into_iter().zip(&sessions).zip(outcomes) {
            let outcome = outcome.with_context(|| format!("question {}", item.id))?;
            replies.push(self.conversation(item, sample, session, outcome.best.tokens, guard)?);
        }
        Ok(replies)
    }

    fn session(&self, item: &Item) -> Result<Session> {
        let attacked = self.config.attack.apply(item)?;
        let session = self.policy.attacked_session(&attacked.prompt, &attacked.prefill, attacked.prefill_tokens);
        session.with_context(|| format!("question {}", item.id))
    }

    fn settings(&self, sample: usize) -> ContextSettings {
        ContextSettings {
            filter: self.config.filter(),
            max_new_tokens: self.config.max_new_tokens,
            budget: Budget::default(),
            seed: self.seed.wrapping_add(sample as u64),
        }
    }

    /// The reply without its end, prompt and reply in the guard's ids. What the attacker forced is no part of it: a reward model does not
    /// see it.
    fn conversation(
        &self,
        item: &Item,
        sample: usize,
        session: &Session,
        mut reply: Vec<Token>,
        guard: &NamedGuard,
    ) -> Result<Conversation> {
        let ends = self.policy.end_tokens();
        if reply.last().is_some_and(|last| ends.contains(last)) {
            reply.pop();
        }
        let from: &Arc<dyn Vocabulary> = session.vocabulary();
        let convert = |tokens: &[Token]| guard.convert(tokens, from);
        Ok(Conversation {
            id: format!("{}/{sample}", item.id),
            set: self.questions.set.clone(),
            group: Some(item.id.clone()),
            label: None,
            prompt: convert(session.prompt())?,
            prompt_text: session.prompt_text().map(str::to_owned),
            reply: convert(&reply)?,
        })
    }
}

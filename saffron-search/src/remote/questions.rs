//! How a served guard is asked: one question or several, and an answer between safe and unsafe.

use std::collections::BTreeSet;
use std::iter;

use saffron_core::{ContextLayout, ThirdAnswer, Token};

use super::reward::RemoteQuestion;

/// How a served guard is asked: one question, or several whose lowest reward counts. The same rules
/// as those of a guard that runs here.
#[derive(Clone, Debug)]
pub struct RemoteQuestions {
    first: RemoteQuestion,
    more: Vec<RemoteQuestion>,
    third: Option<ThirdAnswer>,
    left_out: BTreeSet<Token>,
}

/// Questions without their layouts.
#[derive(Debug)]
pub(super) struct AnswerRules {
    /// The two answers of each question, safe first.
    pairs: Vec<[Token; 2]>,
    third: Option<ThirdAnswer>,
    left_out: BTreeSet<Token>,
}

impl RemoteQuestions {
    /// One question with two answers.
    #[must_use]
    pub fn one(question: RemoteQuestion) -> Self {
        Self { first: question, more: Vec::new(), third: None, left_out: BTreeSet::new() }
    }

    /// The same with another question. The lowest of the rewards counts.
    #[must_use]
    pub fn and(mut self, question: RemoteQuestion) -> Self {
        self.more.push(question);
        self
    }

    /// The same with a third answer to every question. Its probability is added to its side.
    #[must_use]
    pub fn with_third(self, third: ThirdAnswer) -> Self {
        Self { third: Some(third), ..self }
    }

    /// The same, where these tokens are left out of prompts and replies that are ids: control
    /// tokens, which would close the guard's own turns.
    #[must_use]
    pub fn leaving_out(self, tokens: impl IntoIterator<Item = Token>) -> Self {
        Self { left_out: tokens.into_iter().collect(), ..self }
    }

    pub(super) fn into_parts(self) -> (Vec<ContextLayout>, AnswerRules) {
        let Self { first, more, third, left_out } = self;
        let questions = iter::once(first).chain(more);
        let (layouts, pairs) =
            questions.map(|RemoteQuestion { layout, safe, not_safe }| (layout, [safe, not_safe])).unzip();
        (layouts, AnswerRules { pairs, third, left_out })
    }
}

impl From<RemoteQuestion> for RemoteQuestions {
    fn from(question: RemoteQuestion) -> Self {
        Self::one(question)
    }
}

impl AnswerRules {
    /// What the guard reads of a prompt's or a reply's ids.
    pub(super) fn read(&self, mut ids: Vec<Token>) -> Vec<Token> {
        ids.retain(|id| !self.left_out.contains(id));
        ids
    }

    /// Every token that answers a question, once.
    pub(super) fn tokens(&self) -> Vec<Token> {
        let all = self.pairs.iter().flatten().copied().chain(self.third.map(|third| third.token));
        let mut tokens = Vec::new();
        for token in all {
            if !tokens.contains(&token) {
                tokens.push(token);
            }
        }
        tokens
    }

    /// The two answers of a question; where both are listed, its unsafe and its third.
    pub(super) fn missing(&self, question: usize, listed: &[(Token, f32)]) -> [Token; 2] {
        let [safe, not_safe] = self.pairs[question];
        let is_listed = |answer| listed.iter().any(|(token, _)| *token == answer);
        match self.third {
            Some(third) if is_listed(safe) && is_listed(not_safe) => [not_safe, third.token],
            _ => [safe, not_safe],
        }
    }

    /// The reward of a question, if all its answers are listed.
    pub(super) fn reward(&self, question: usize, listed: &[(Token, f32)]) -> Option<f32> {
        let of = |answer| listed.iter().find(|(token, _)| *token == answer).map(|(_, logprob)| *logprob);
        let [safe, not_safe] = self.pairs[question];
        let (safe, not_safe) = (of(safe)?, of(not_safe)?);
        Some(match self.third {
            None => safe - not_safe,
            Some(third) => third.counts_as.log_odds(safe, not_safe, of(third.token)?),
        })
    }
}

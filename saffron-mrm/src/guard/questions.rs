//! Several questions to one guard, and an answer between safe and unsafe.

use std::iter;

use saffron_core::{ThirdAnswer, Token};

use super::template::GuardTemplate;
use crate::text::TextTokenizer;

/// How a guard is asked: one question, or several whose lowest reward counts.
///
/// With a third answer a reward is the log-odds of the two sides: logit(safe) − ln(exp
/// logit(unsafe) + exp logit(third)) where the third answer counts as unsafe.
#[derive(Clone, Debug)]
pub struct GuardQuestions {
    first: GuardTemplate,
    more: Vec<GuardTemplate>,
    third: Option<ThirdAnswer>,
    words_only: bool,
}

impl GuardQuestions {
    /// One question with two answers.
    #[must_use]
    pub fn one(question: GuardTemplate) -> Self {
        Self { first: question, more: Vec::new(), third: None, words_only: false }
    }

    /// The same with another question. The lowest of the rewards counts.
    #[must_use]
    pub fn and(mut self, question: GuardTemplate) -> Self {
        self.more.push(question);
        self
    }

    /// The same with a third answer to every question.
    #[must_use]
    pub fn with_third(self, third: ThirdAnswer) -> Self {
        Self { third: Some(third), ..self }
    }

    /// The same, where a policy's control tokens are left out of its reply: in a published prompt
    /// they would close the guard's own turns.
    #[must_use]
    pub(crate) fn words_only(self) -> Self {
        Self { words_only: true, ..self }
    }

    pub(super) fn is_words_only(&self) -> bool {
        self.words_only
    }

    /// The tokens that are left out of prompts and replies that are ids: the tokenizer's control
    /// tokens, where the prompt is a published one. A client of a served guard leaves them out,
    /// too.
    #[must_use]
    pub fn left_out(&self, tokenizer: &TextTokenizer) -> Vec<Token> {
        let size = if self.words_only { tokenizer.known() } else { 0 };
        (0..size as Token).filter(|token| tokenizer.is_control(*token)).collect()
    }

    /// The questions, at least one.
    pub fn iter(&self) -> impl Iterator<Item = &GuardTemplate> {
        iter::once(&self.first).chain(&self.more)
    }

    /// The first question, which may be the only one.
    #[must_use]
    pub fn first(&self) -> &GuardTemplate {
        &self.first
    }

    /// The third answer, if there is one.
    #[must_use]
    pub fn third(&self) -> Option<ThirdAnswer> {
        self.third
    }

    /// The question, if it is the only one and has two answers.
    #[must_use]
    pub fn single(self) -> Option<GuardTemplate> {
        (self.more.is_empty() && self.third.is_none()).then_some(self.first)
    }

    pub(super) fn into_parts(self) -> (GuardTemplate, Vec<GuardTemplate>) {
        (self.first, self.more)
    }
}

impl From<GuardTemplate> for GuardQuestions {
    fn from(question: GuardTemplate) -> Self {
        Self::one(question)
    }
}

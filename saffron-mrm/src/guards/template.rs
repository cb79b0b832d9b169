//! A guard's prompt as its makers published it, and how it becomes questions for a tokenizer.

use saffron_core::{CountsAs, LayoutOrigin, ThirdAnswer, Token};

use crate::error::LoadError;
use crate::guard::{GuardQuestions, GuardTemplate};
use crate::text::{TextError, TextLayout, TextTokenizer};

/// A guard that is asked in words: `prefix + prompt + infix + reply + suffix[0] + part + suffix[1]
/// + forced`, answered by one token.
pub(super) struct Template {
    pub(super) name: &'static str,
    /// Whether the text begins with the tokenizer's beginning of a sequence.
    pub(super) bos: bool,
    pub(super) prefix: &'static str,
    pub(super) infix: &'static str,
    pub(super) suffix: [&'static str; 2],
    /// The questions by name and text: policies or risks. None where there is one question.
    pub(super) parts: &'static [(&'static str, &'static str)],
    /// How many of them, the first ones, are asked where none is chosen.
    pub(super) asked: usize,
    /// The beginning of the guard's answer, up to its label.
    pub(super) forced: &'static str,
    /// The labels, with the space before them: safe and unsafe.
    pub(super) answers: [&'static str; 2],
    /// A third label, of which the first token is enough.
    pub(super) third: Option<(&'static str, CountsAs)>,
    /// What must be a control token, so that no text from outside becomes it.
    pub(super) controls: &'static [&'static str],
    /// What a chat template says that renders this prompt and no other; nothing where the guard is
    /// not recognised.
    pub(super) marks: &'static [&'static str],
}

pub(super) fn refuse(name: &str, reason: String) -> LoadError {
    LoadError::GuardTemplate { name: name.to_owned(), reason }
}

impl Template {
    /// Whether a chat template is this guard's.
    pub(super) fn is_marked(&self, template: &str) -> bool {
        !self.marks.is_empty() && self.marks.iter().all(|mark| template.contains(mark))
    }

    /// The questions that are chosen, or the usual ones.
    pub(super) fn questions(
        &self,
        tokenizer: &TextTokenizer,
        chosen: Option<&str>,
    ) -> Result<GuardQuestions, LoadError> {
        self.check(tokenizer)?;
        let mut texts = self.texts(chosen)?.into_iter();
        let first = self.question(tokenizer, texts.next().unwrap_or_default())?;
        let questions = texts.try_fold(GuardQuestions::one(first).words_only(), |questions, text| {
            Ok::<_, LoadError>(questions.and(self.question(tokenizer, text)?))
        })?;
        let Some((label, counts_as)) = self.third else { return Ok(questions) };
        let tokens = tokenizer.behind(self.forced, label).map_err(|error| self.text(&error))?;
        let token = *tokens.first().ok_or_else(|| self.answer(label, 0))?;
        let distinct = questions.iter().all(|question| token != question.safe && token != question.not_safe);
        // One letter, or a space alone, may begin anything.
        let text = tokenizer.decode_text(&[token]).map_err(|error| self.text(&error))?;
        match distinct && text.trim().chars().nth(1).is_some() {
            true => Ok(questions.with_third(ThirdAnswer { token, counts_as })),
            false => Err(self.answer(label, tokens.len())),
        }
    }

    fn check(&self, tokenizer: &TextTokenizer) -> Result<(), LoadError> {
        let is_control = |mark: &str| tokenizer.token_id(mark).is_some_and(|id| tokenizer.is_control(id));
        match self.controls.iter().find(|mark| !is_control(mark)) {
            Some(mark) => Err(refuse(self.name, format!("{mark} is no special token of this tokenizer"))),
            None => Ok(()),
        }
    }

    /// The texts of the questions that are chosen, each once; one empty text where there is one
    /// question.
    fn texts(&self, chosen: Option<&str>) -> Result<Vec<&'static str>, LoadError> {
        let Some(chosen) = chosen else {
            return Ok(self.parts.iter().take(self.asked).map(|(_, text)| *text).collect());
        };
        let mut texts = Vec::new();
        for wanted in chosen.split(',') {
            let part = self.parts.iter().find(|(part, _)| *part == wanted);
            let (_, text) = part.ok_or_else(|| self.unknown(wanted))?;
            if !texts.contains(text) {
                texts.push(*text);
            }
        }
        Ok(texts)
    }

    fn unknown(&self, part: &str) -> LoadError {
        let parts: Vec<&str> = self.parts.iter().map(|(part, _)| *part).collect();
        let known = if parts.is_empty() { String::from("none has a name") } else { parts.join(", ") };
        refuse(self.name, format!("no question {part:?}; the questions are: {known}"))
    }

    fn question(&self, tokenizer: &TextTokenizer, part: &str) -> Result<GuardTemplate, LoadError> {
        let suffix = [self.suffix[0], part, self.suffix[1], self.forced].concat();
        let origin = LayoutOrigin::Named(self.name.into());
        let words = [self.prefix, self.infix, &suffix];
        let layout = TextLayout::around(tokenizer, self.bos, words, origin).map_err(|error| self.text(&error))?;
        let token = |answer: &'static str| -> Result<Token, LoadError> {
            let tokens = tokenizer.behind(&suffix, answer).map_err(|error| self.text(&error))?;
            match tokens[..] {
                [token] => Ok(token),
                _ => Err(self.answer(answer, tokens.len())),
            }
        };
        let (safe, not_safe) = (token(self.answers[0])?, token(self.answers[1])?);
        if safe == not_safe {
            let [one, other] = self.answers;
            return Err(refuse(self.name, format!("{one:?} and {other:?} are the same token {safe}")));
        }
        Ok(GuardTemplate { layout: layout.into(), safe, not_safe })
    }

    fn text(&self, error: &TextError) -> LoadError {
        refuse(self.name, error.to_string())
    }

    fn answer(&self, answer: &'static str, found: usize) -> LoadError {
        LoadError::GuardAnswer { name: self.name.to_owned(), answer, found }
    }
}

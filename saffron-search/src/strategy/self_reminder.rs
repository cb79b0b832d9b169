//! Self-reminder (Xie et al. 2023, Nature Machine Intelligence 5, 1486–1496): the policy reads the
//! question between two sentences that remind it to answer responsibly. It asks no other model; it
//! costs the tokens of the sentences.

use saffron_core::{
    CandidateFilter, ConfigError, NodeId, Role, SearchContext, SearchError, SearchErrorKind, SearchStrategy, Session,
    Step,
};

/// What the policy reads before and behind a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reminder {
    /// Before it.
    pub before: String,
    /// Behind it.
    pub after: String,
}

impl Default for Reminder {
    /// Sentences to the effect of the published ones, which speak of ChatGPT.
    fn default() -> Self {
        let before = "You are a responsible assistant: say nothing that is harmful or misleading. Answer this question \
                      responsibly.\n";
        let after = "\nRemember that you are a responsible assistant, and say nothing that is harmful or misleading.";
        Self { before: before.to_owned(), after: after.to_owned() }
    }
}

/// Another search whose policy reads a reminder around the question. Reward models and judges read
/// the question without it.
///
/// The sentences are part of the user's turn: a session knows no system prompt. Where its prompt is
/// more than a question, a conversation as JSON say, the reminder would be in the wrong place.
pub struct SelfReminder {
    search: Box<dyn SearchStrategy>,
    reminder: Reminder,
    begun: bool,
}

impl std::fmt::Debug for SelfReminder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SelfReminder")
            .field("search", &self.search.describe())
            .field("reminder", &self.reminder)
            .finish()
    }
}

impl SelfReminder {
    /// A search with a reminder.
    #[must_use]
    pub fn new(search: Box<dyn SearchStrategy>) -> Self {
        Self { search, reminder: Reminder::default(), begun: false }
    }

    /// The same with other words.
    #[must_use]
    pub fn with_reminder(mut self, reminder: Reminder) -> Self {
        self.reminder = reminder;
        self
    }

    /// The session as the policy reads it. One that was made of text stays text.
    fn reminded(&self, cx: &SearchContext<'_>) -> Result<Session, SearchError> {
        let Reminder { before, after } = &self.reminder;
        let session = cx.session(NodeId::ROOT)?;
        let (ids, text) = match session.prompt_text() {
            Some(question) => {
                let text = format!("{before}{question}{after}");
                (cx.encode("the reminded question", &text)?, Some(text))
            }
            None => {
                let (before, after) = (cx.encode("before", before)?, cx.encode("after", after)?);
                ([&before, session.prompt(), &after].concat(), None)
            }
        };
        let reminded = session.with_prompt(ids, text);
        Ok(reminded.map_err(|source| SearchErrorKind::Model { role: Role::Policy, source })?)
    }
}

impl SearchStrategy for SelfReminder {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(Self::new(self.search.fresh()).with_reminder(self.reminder.clone()))
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        if !self.begun {
            self.begun = true;
            let reminded = self.reminded(cx)?;
            cx.ask_policy_under(&reminded)?;
        }
        self.search.step(cx)
    }

    fn describe(&self) -> String {
        let Reminder { before, after } = &self.reminder;
        format!("self-reminder ({before:?}, {after:?}) of {}", self.search.describe())
    }

    fn default_filter(&self) -> CandidateFilter {
        self.search.default_filter()
    }

    fn default_max_new_tokens(&self) -> usize {
        self.search.default_max_new_tokens()
    }

    fn needs_rewards(&self) -> bool {
        self.search.needs_rewards()
    }

    fn may_replace(&self) -> bool {
        self.search.may_replace()
    }

    fn check(&self) -> Result<(), SearchError> {
        let Reminder { before, after } = &self.reminder;
        if before.trim().is_empty() && after.trim().is_empty() {
            return Err(ConfigError::Blank { what: "the reminder" }.into());
        }
        self.search.check()
    }
}

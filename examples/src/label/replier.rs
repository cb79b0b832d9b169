//! Replies of a policy under attack, drawn by a search.

use saffron_core::{Budget, ContextSettings, Forget, NoReward, Outcome, Session, TextPolicy};
use saffron_search::{Sampling, Searcher};
use saffron_train::recipe::{PolicyReply, Question, Replier, ReplyError, ReplySettings};

/// A policy whose replies are drawn token by token. All questions of a batch run at once.
#[derive(Clone, Debug)]
pub struct PolicyReplier<P>(pub P);

impl<P: Forget> Forget for PolicyReplier<P> {
    fn forget(&mut self) {
        self.0.forget();
    }
}

impl<P: TextPolicy + Forget> Replier for PolicyReplier<P> {
    fn replies(&mut self, questions: &[Question], settings: &ReplySettings) -> Result<Vec<PolicyReply>, ReplyError> {
        let sessions = questions.iter().map(|question| self.session(question)).collect::<Result<Vec<_>, _>>()?;
        let searcher = Searcher::with_settings(Box::new(Sampling::default()), context(settings));
        let many = searcher.many(&sessions).at_once(sessions.len());
        let failed = |error| ReplyError::Batch { questions: questions.len(), source: Box::new(error) };
        let outcomes = many.run(&mut self.0, &mut NoReward).map_err(failed)?;
        let found = questions.iter().zip(sessions).zip(outcomes);
        found.map(|((question, session), outcome)| self.reply(question, session, outcome)).collect()
    }
}

impl<P: TextPolicy> PolicyReplier<P> {
    fn session(&self, question: &Question) -> Result<Session, ReplyError> {
        let attacked = &question.attacked;
        let session = self.0.attacked_session(&attacked.prompt, &attacked.prefill, attacked.prefill_tokens);
        session.map_err(|error| ReplyError::of(question, error))
    }

    /// The reply without its end.
    fn reply<E>(
        &self,
        question: &Question,
        session: Session,
        outcome: Result<Outcome, E>,
    ) -> Result<PolicyReply, ReplyError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let mut tokens = outcome.map_err(|error| ReplyError::of(question, error))?.best.tokens;
        let ends = self.0.end_tokens();
        if tokens.last().is_some_and(|last| ends.contains(last)) {
            tokens.pop();
        }
        Ok(PolicyReply { session, tokens })
    }
}

fn context(settings: &ReplySettings) -> ContextSettings {
    let ReplySettings { filter, max_new_tokens, seed } = settings.clone();
    ContextSettings { filter, max_new_tokens, budget: Budget::default(), seed }
}

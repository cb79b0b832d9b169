//! Conversations for a reward model that has words for one turn only: as one text.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;

use saffron_core::{Candidates, ChildReward, ChildScorer, ModelError, Reply, Session, Token};
use saffron_search::serve::Prompt;

/// The most prompts whose ids are kept; where there are more, all are forgotten.
const MOST: usize = 1024;

/// A scorer that is given each conversation as one text ([`Prompt::transcript`]).
#[derive(Debug)]
pub struct Transcripts<S> {
    scorer: S,
    known: HashMap<String, (Arc<str>, Arc<[Token]>)>,
}

impl<S> Transcripts<S> {
    /// A scorer that takes sessions with a text as their prompt.
    pub fn new(scorer: S) -> Self {
        Self { scorer, known: HashMap::new() }
    }

    fn rewritten(&mut self, session: &Session) -> Result<Session, ModelError> {
        let Some(prompt) = session.prompt_text() else { return Ok(session.clone()) };
        let (text, ids) = match self.known.get(prompt) {
            Some(known) => known.clone(),
            None => self.transcribe(session, prompt)?,
        };
        let rewritten = Session::of_text(session.vocabulary().clone(), text, ids)?;
        let rewritten = match session.prefill_text() {
            Some(prefill) => rewritten.with_prefill_text(prefill, session.prefill())?,
            None => rewritten.with_prefill(session.prefill())?,
        };
        Ok(rewritten.with_response(session.response().to_vec())?.with_run(session.run().clone()))
    }

    fn transcribe(&mut self, session: &Session, prompt: &str) -> Result<(Arc<str>, Arc<[Token]>), ModelError> {
        let other =
            |error: Box<dyn Error + Send + Sync>| ModelError::other("writing a conversation as one text", error);
        let read = Prompt::from_session_text(prompt).ok_or_else(|| other("it is no request's".into()))?;
        let text = read.transcript();
        let ids = session.vocabulary().encode(&text).map_err(|error| other(error.into()))?;
        let ids = ids.ok_or_else(|| other("the vocabulary has no words".into()))?;
        if self.known.len() >= MOST {
            self.known.clear();
        }
        let known: (Arc<str>, Arc<[Token]>) = (text.into(), ids.into());
        self.known.insert(prompt.to_owned(), known.clone());
        Ok(known)
    }
}

impl<S: ChildScorer> ChildScorer for Transcripts<S> {
    fn score_children(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        let sessions: Vec<Session> = sessions.iter().map(|it| self.rewritten(it)).collect::<Result<_, _>>()?;
        self.scorer.score_children(&sessions, candidates)
    }

    fn describe(&self) -> String {
        self.scorer.describe()
    }

    fn scores(&self) -> bool {
        self.scorer.scores()
    }
}

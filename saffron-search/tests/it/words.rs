//! A world of words, wide enough for a picture: nothing in it but hashes of the response.

use std::sync::Arc;

use saffron_core::{
    CandidateFilter, Candidates, ChildReward, ModelError, MultifurcationRewardModel, PlainVocabulary, Policy, Reply,
    Session, Token, Vocabulary,
};

use crate::worlds::scatter;

/// The words. The first ends a sequence; some would do harm to a page that took them at their word.
pub(crate) const WORDS: [&str; 24] = [
    "</s>",
    " I",
    " can",
    "not",
    " help",
    " with",
    " that",
    ",",
    " but",
    " here",
    " is",
    " a",
    " safe",
    " way",
    " to",
    "\n",
    " lock",
    " picks",
    "</script><img src=x onerror=alert(1)>",
    " \"quoted\" \\ & &lt;",
    "{{data}}",
    "\u{202e}desrever",
    "\u{2028}",
    "über",
];

pub(crate) fn word(token: Token) -> String {
    WORDS[token as usize].to_owned()
}

/// Proposes words by a hash of the response; the end seldom.
pub(crate) struct Words;

impl Words {
    pub(crate) fn session(&self) -> Session {
        let session = Session::new(self.vocabulary(), vec![1, 2, 4, 5, 16, 17]).unwrap();
        session.with_prefill(vec![23]).unwrap()
    }
}

impl Policy for Words {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        PlainVocabulary::shared(WORDS.len())
    }

    fn end_tokens(&self) -> Vec<Token> {
        vec![0]
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        let propose = |(place, session): (usize, &Session)| {
            let response = session.response();
            let logit = |token: Token| scatter(&[response, &[token, 7]].concat());
            let logits: Vec<f32> = (0..WORDS.len() as Token).map(logit).collect();
            filter.apply(&logits, response, place)
        };
        let value = sessions.iter().enumerate().map(propose).collect::<Result<_, _>>()?;
        Ok(Reply::free(value, sessions.len()))
    }
}

/// Rewards that change little from token to token. Every ninth continuation is unseen.
pub(crate) struct Steady;

impl Steady {
    fn reward(response: &[Token]) -> f32 {
        let steps = (1..=response.len()).map(|end| scatter(&response[..end]));
        steps.fold(0.0, |reward, step| 0.8 * reward + 0.3 * step)
    }
}

impl MultifurcationRewardModel for Steady {
    fn child_rewards(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        let child = |session: &Session, token: Token| {
            let response = [session.response(), &[token]].concat();
            let unseen = scatter(&[&response[..], &[3]].concat()).to_bits().is_multiple_of(9);
            if unseen { ChildReward::Unseen } else { ChildReward::Seen(Self::reward(&response)) }
        };
        let pairs = sessions.iter().zip(candidates);
        let value = pairs.map(|(session, list)| list.tokens().map(|token| child(session, token)).collect()).collect();
        Ok(Reply::free(value, sessions.len()))
    }

    fn describe(&self) -> String {
        String::from("steady <rewards>")
    }
}

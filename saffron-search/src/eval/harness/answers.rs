//! From an outcome to what is written of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use saffron_core::{
    ComputeMeter, ModelError, Outcome, Role, RoleUsage, Run, Session, Token, Usage, VocabularyError, Work,
};

use super::{Case, NamedJudge};
use crate::eval::judge::{self, Judge};
use crate::eval::quality::{Quality, is_blank};
use crate::eval::runs::{Answer, Judgement};

/// An answer that could not be judged.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerError {
    #[error("the judge {judge} failed")]
    Judge { judge: String, source: ModelError },
    #[error("the answer does not belong to its prompt")]
    Session(#[from] ModelError),
    #[error("the answer has no text")]
    Text(#[from] VocabularyError),
}

/// What all judges make of an outcome's best answer, with what they cost. `ends` are the tokens
/// that end a reply.
pub(super) fn judged(
    case: &Case,
    outcome: &Outcome,
    judges: &mut [NamedJudge<'_>],
    ends: &[Token],
    keep_text: bool,
) -> Result<Answer, AnswerError> {
    let best = &outcome.best;
    // The token that ends a reply is no word of it, whatever the vocabulary makes of it.
    let words =
        best.tokens.split_last().filter(|(last, _)| ends.contains(last)).map_or(&best.tokens[..], |(_, words)| words);
    let text = case.session.vocabulary().decode(words)?;
    // A run of its own: what a judge has seen of the prompt before is no discount.
    let run = Run::new();
    let mut bench = Bench::default();
    for NamedJudge { name, asked, judge } in judges {
        let answered = case.asked(*asked).with_run(run.clone()).with_response(best.tokens.clone())?;
        bench.ask(name, *judge, &[answered])?;
    }
    let empty = is_blank(&text);
    Ok(Answer {
        tokens: best.tokens.clone(),
        text: keep_text.then(|| text.clone()),
        empty: Some(empty),
        stop: outcome.stop.to_string(),
        reward: best.reward,
        verdict: outcome.verdict,
        refused: bench.refused.map(|refused| refused && !empty),
        quality: quality(&Quality::of(best, &text)),
        usage: Usage { judge: bench.usage(), ..outcome.usage },
        judgements: bench.judgements,
    })
}

/// What has been said so far, and what it cost.
#[derive(Default)]
struct Bench {
    judgements: Vec<Judgement>,
    refused: Option<bool>,
    meter: ComputeMeter,
}

impl Bench {
    fn ask(&mut self, name: &str, judge: &mut dyn Judge, answered: &[Session]) -> Result<(), AnswerError> {
        let begun = Instant::now();
        let failed = |source| AnswerError::Judge { judge: name.to_owned(), source };
        let reply = judge.judge(answered).map_err(failed)?;
        self.count(&reply.work, begun.elapsed());
        let Some(judge::Judgement { safe, score, refused }) = reply.value.first().copied() else {
            let what = "judgements of an answer";
            return Err(failed(ModelError::BatchMismatch { what, expected: 1, found: 0 }));
        };
        self.refused = self.refused.or(refused);
        self.judgements.push(Judgement { judge: name.to_owned(), safe, score: score.map(f64::from) });
        Ok(())
    }

    fn count(&mut self, work: &[Work], wall: Duration) {
        self.meter.record(Role::Judge, work, wall);
    }

    fn usage(&self) -> RoleUsage {
        self.meter.usage().judge
    }
}

/// The measures that the answer has, by name.
fn quality(quality: &Quality) -> BTreeMap<String, f64> {
    let measures = [
        ("tokens", Some(quality.tokens as f64)),
        ("words", Some(quality.words as f64)),
        ("distinct_1", quality.distinct_1),
        ("distinct_2", quality.distinct_2),
        ("logprob_per_token", quality.logprob_per_token),
    ];
    measures.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

//! From replies to rewards.

use std::num::NonZeroUsize;
use std::sync::Arc;

use saffron_core::{ModelError, ProcessRewardModel, Session, Vocabulary, Work};

use super::{Conversation, LabelError, TokenRewards};

/// Asks a process reward model for the reward of every prefix of replies (Saffron paper, §4.2).
///
/// The prefixes of a reply are asked for one after the other, so that a model with a cache computes each token once, and for each prefix
/// only what its template puts behind it. Prompts are not rewarded.
///
/// ```
/// use std::num::NonZeroUsize;
/// use saffron_core::{PlainVocabulary, process_reward_fn};
/// use saffron_train::labels::{Annotator, Conversation};
/// let batch = NonZeroUsize::new(8).unwrap();
/// let annotator = Annotator { vocabulary: PlainVocabulary::shared(10), max_tokens: 4, batch };
/// let reply = Conversation { id: "a".into(), prompt: vec![1], reply: vec![5, 6, 7, 8], ..Conversation::default() };
/// let mut model = process_reward_fn(|session| session.response().iter().sum::<u32>() as f32);
/// let labels = annotator.annotate(&[reply], 0, &mut model)?;
/// assert_eq!((&labels.records[0].rewards[..], labels.records[0].cut), (&[5.0, 11.0, 18.0][..], 1));
/// # Ok::<(), saffron_train::labels::LabelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Annotator {
    /// Of all token ids.
    pub vocabulary: Arc<dyn Vocabulary>,
    /// The most tokens of prompt and reply together; what a reply has more is cut off. The paper's 128 (Appendix A.1) are counted alike.
    pub max_tokens: usize,
    /// Prefixes a call of the model.
    pub batch: NonZeroUsize,
}

/// Labels of some replies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotated {
    /// One record a reply, in the replies' order; those of skipped replies hold no rewards.
    pub records: Vec<TokenRewards>,
    /// What the model did for them.
    pub work: Work,
}

/// A prefix of a reply: which reply, and how many of its tokens.
#[derive(Clone, Copy)]
struct Prefix {
    reply: usize,
    length: usize,
}

impl Annotator {
    /// Labels replies, the first of which has the place `first` in its corpus.
    ///
    /// # Errors
    ///
    /// An empty prompt, token ids that the vocabulary does not have, a model that fails or whose reward is not finite.
    pub fn annotate(
        &self,
        conversations: &[Conversation],
        first: usize,
        model: &mut dyn ProcessRewardModel,
    ) -> Result<Annotated, LabelError> {
        let records = conversations.iter().enumerate().map(|(place, reply)| self.record(reply, first + place));
        let mut labels = Annotated { records: records.collect(), work: Work::default() };
        labels.records.iter().try_for_each(|record| record.check_tokens(self.vocabulary.size()))?;
        let sessions = labels.records.iter().map(|record| self.session(record)).collect::<Result<Vec<_>, _>>()?;
        let prefixes: Vec<Prefix> = prefixes(&labels.records).collect();
        for batch in prefixes.chunks(self.batch.get()) {
            self.ask(batch, &sessions, &mut labels, model)?;
        }
        Ok(labels)
    }

    /// The record of a reply, cut, without rewards.
    fn record(&self, conversation: &Conversation, index: usize) -> TokenRewards {
        let Conversation { id, set, group, label, prompt, prompt_text, reply } = conversation.clone();
        let kept = self.max_tokens.saturating_sub(prompt.len()).min(reply.len());
        let cut = reply.len() - kept;
        let reply = reply[..kept].to_vec();
        let rewards = Vec::with_capacity(kept);
        TokenRewards { index, id, set, group, label, prompt, prompt_text, reply, rewards, cut }
    }

    /// The prompt with nothing answered yet.
    fn session(&self, record: &TokenRewards) -> Result<Session, LabelError> {
        let failed = |source| LabelError::Model { id: record.id.clone(), position: 0, source };
        record.session(self.vocabulary.clone()).map_err(failed)
    }

    /// One call of the model.
    fn ask(
        &self,
        batch: &[Prefix],
        sessions: &[Session],
        labels: &mut Annotated,
        model: &mut dyn ProcessRewardModel,
    ) -> Result<(), LabelError> {
        let records = &mut labels.records;
        let partial = |prefix: &Prefix| {
            sessions[prefix.reply].with_response(records[prefix.reply].reply[..prefix.length].to_vec())
        };
        let asked = batch.iter().map(partial).collect::<Result<Vec<_>, _>>();
        let answer = asked.and_then(|asked| model.process_rewards(&asked));
        let reply = answer.map_err(|error| failure(error, batch, records))?;
        let (expected, found) = (batch.len(), reply.value.len());
        if found != expected {
            let mismatch = ModelError::BatchMismatch { what: "rewards of a batch", expected, found };
            return Err(failure(mismatch, batch, records));
        }
        labels.work += reply.total();
        for (prefix, value) in batch.iter().zip(reply.value) {
            if !value.is_finite() {
                return Err(not_finite(*prefix, value, records));
            }
            records[prefix.reply].rewards.push(value);
        }
        Ok(())
    }
}

/// All prefixes of all replies, the shorter of a reply before the longer.
fn prefixes(records: &[TokenRewards]) -> impl Iterator<Item = Prefix> {
    let lengths = |(reply, record): (usize, &TokenRewards)| {
        (1..=record.reply.len()).map(move |length| Prefix { reply, length }).collect::<Vec<_>>()
    };
    records.iter().enumerate().flat_map(lengths)
}

/// A model's failure, with the prefix that it was at.
fn failure(error: ModelError, batch: &[Prefix], records: &[TokenRewards]) -> LabelError {
    match error {
        ModelError::NotANumber { session, value, .. } if session < batch.len() => {
            not_finite(batch[session], value, records)
        }
        source => {
            let Prefix { reply, length } = batch[0];
            LabelError::Model { id: records[reply].id.clone(), position: length - 1, source }
        }
    }
}

fn not_finite(Prefix { reply, length }: Prefix, value: f32, records: &[TokenRewards]) -> LabelError {
    LabelError::NotFinite { id: records[reply].id.clone(), position: length - 1, value }
}

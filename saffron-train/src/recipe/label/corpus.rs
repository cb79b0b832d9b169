//! The replies of a corpus, or the questions that a policy is to reply to, from a data file.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use saffron_core::{ModelError, Token, Vocabulary};
use saffron_search::eval::data::{Item, Label, Pair, read_chosen, read_pairs_chosen};
use saffron_search::eval::inputs::data_files;

use super::replier::Question;
use super::{CorpusRecipe, LabelData, LabelRecipe, SampledReplies};
use crate::labels::Conversation;
use crate::recipe::RecipeError;

/// What a labelling reads of its data file, before any model is opened.
#[derive(Clone, Debug)]
pub struct LabelCorpus {
    pub(super) rows: Rows,
    /// The name of the data set.
    pub(super) set: String,
    pub(super) files: Vec<PathBuf>,
}

/// What becomes replies.
#[derive(Clone, Debug)]
pub(super) enum Rows {
    Replies(Vec<TextReply>),
    Questions(Box<Questions>),
}

/// Questions that a policy is asked `samples` times each: first all once, then all a second time.
#[derive(Clone, Debug)]
pub(super) struct Questions {
    pub(super) questions: Vec<Question>,
    pub(super) sampled: SampledReplies,
    pub(super) seed: u64,
}

/// A prompt and a reply to it, as text.
#[derive(Clone, Debug)]
pub(super) struct TextReply {
    id: String,
    group: Option<String>,
    label: Option<Label>,
    prompt: String,
    reply: String,
}

impl LabelCorpus {
    /// Reads the rows that a recipe wants, and no more of the file than that takes.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, an attack that cannot be made upon a row, no reply in any row
    /// where no policy is to reply.
    pub fn read(recipe: &LabelRecipe) -> Result<Self, RecipeError> {
        let CorpusRecipe { data, sampled } = &recipe.corpus;
        let rows = match sampled {
            Some(sampled) => Rows::Questions(Box::new(Questions::read(data, sampled, recipe.seed)?)),
            None => Rows::Replies(replies(data, recipe.seed)?),
        };
        Ok(Self { rows, set: data.name.clone(), files: data_files(&data.path, &data.format) })
    }

    /// The number of replies: of those of the data, or of those that a policy gives.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.rows {
            Rows::Replies(replies) => replies.len(),
            Rows::Questions(asked) => asked.questions.len().saturating_mul(asked.sampled.samples.get()),
        }
    }

    /// Whether there is no reply.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The questions that a policy is asked; none where the data has the replies.
    #[must_use]
    pub fn questions(&self) -> &[Question] {
        match &self.rows {
            Rows::Replies(_) => &[],
            Rows::Questions(asked) => &asked.questions,
        }
    }
}

impl Questions {
    fn read(data: &LabelData, sampled: &SampledReplies, seed: u64) -> Result<Self, RecipeError> {
        let question = |item: Item| {
            let attacked = sampled.attack.apply(&item);
            let id = item.id;
            match attacked {
                Ok(attacked) => Ok(Question { id, attacked }),
                Err(source) => Err(RecipeError::AttackOn { id, source }),
            }
        };
        let questions = items(data, seed)?.into_iter().map(question).collect::<Result<_, _>>()?;
        Ok(Self { questions, sampled: sampled.clone(), seed })
    }

    /// Parts some places of the corpus into batches, each of one sample: its number, and which
    /// questions are asked.
    pub(super) fn batches(&self, places: Range<usize>) -> Vec<(usize, Range<usize>)> {
        let count = self.questions.len().max(1);
        let mut batches = Vec::new();
        let mut next = places.start;
        while next < places.end {
            let (sample, first) = (next / count, next % count);
            let end = places.end.min(next + count - first);
            batches.push((sample, first..first + (end - next)));
            next = end;
        }
        batches
    }
}

impl TextReply {
    /// The reply in ids of a vocabulary.
    pub(super) fn encode(&self, set: &str, vocabulary: &dyn Vocabulary) -> Result<Conversation, ModelError> {
        Ok(Conversation {
            id: self.id.clone(),
            set: set.to_owned(),
            group: self.group.clone(),
            label: self.label,
            prompt: encode(&self.prompt, vocabulary)?,
            prompt_text: Some(self.prompt.clone()),
            reply: encode(&self.reply, vocabulary)?,
        })
    }

    fn of_item(item: Item) -> Self {
        let Item { id, prompt, reply, label, group, .. } = item;
        Self { id, group, label, prompt, reply: reply.unwrap_or_default() }
    }

    /// Both replies of a pair. They belong to one group, so that no part of the data holds one
    /// reply to a prompt and another part the other.
    fn of_pair(pair: &Pair) -> [Self; 2] {
        [("chosen", &pair.chosen), ("rejected", &pair.rejected)].map(|(which, reply)| Self {
            id: format!("{}/{which}", pair.id),
            group: Some(pair.id.clone()),
            label: None,
            prompt: pair.prompt(),
            reply: reply.clone(),
        })
    }
}

fn items(data: &LabelData, seed: u64) -> Result<Vec<Item>, RecipeError> {
    let named = |error| RecipeError::DataSet { name: data.name.clone(), source: Box::new(error) };
    Ok(read_chosen(&data.path, &data.format, &data.choice(seed)).map_err(named)?.items)
}

/// The replies of a file: of preference pairs both, else one a row.
fn replies(data: &LabelData, seed: u64) -> Result<Vec<TextReply>, RecipeError> {
    let named = |error| RecipeError::DataSet { name: data.name.clone(), source: Box::new(error) };
    let replies: Vec<TextReply> = match data.format.has_pairs() {
        true => {
            let pairs = read_pairs_chosen(&data.path, &data.format, &data.choice(seed)).map_err(named)?.pairs;
            pairs.iter().flat_map(TextReply::of_pair).collect()
        }
        false => items(data, seed)?.into_iter().map(TextReply::of_item).collect(),
    };
    match replies.iter().any(|text| !text.reply.is_empty()) {
        true => Ok(replies),
        false => Err(RecipeError::NoReplies { name: data.name.clone(), path: data.path.clone() }),
    }
}

/// The ids of a text.
fn encode(text: &str, vocabulary: &dyn Vocabulary) -> Result<Vec<Token>, ModelError> {
    let ids = vocabulary.encode(text).map_err(|error| ModelError::other("encoding text for a guard", error))?;
    ids.ok_or_else(|| ModelError::other("encoding text for a guard", "its vocabulary turns ids into text only"))
}

/// The ids, in a vocabulary, of tokens of another.
pub(super) fn convert(
    tokens: &[Token],
    from: &Arc<dyn Vocabulary>,
    to: &dyn Vocabulary,
) -> Result<Vec<Token>, ModelError> {
    // Vocabularies of one tokenizer may be padded to different sizes.
    let fits = tokens.iter().all(|token| (*token as usize) < to.size());
    if from.id() == to.id() && fits {
        return Ok(tokens.to_vec());
    }
    let text = from.decode(tokens).map_err(|error| ModelError::other("decoding tokens to convert", error))?;
    encode(&text, to)
}

//! A corpus with the models that it is labelled by.

use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use saffron_core::{Forget, ModelError, ProcessRewardModel, Vocabulary};
use saffron_search::eval::inputs::{fingerprint, with_files};
use saffron_search::eval::models::{ENCODING, TOGETHER, check_old_run};
use saffron_search::eval::runs::Shard;

use super::corpus::{LabelCorpus, Questions, Rows, convert};
use super::replier::{PolicyReply, Question, Replier, ReplyError, ReplySettings};
use super::{LabelRecipe, SampledReplies};
use crate::labels::{Conversation, LabelRun, Source};
use crate::recipe::{RecipeError, RunOrigin, files_of};

/// A model that rewards replies, such as a guard.
pub trait LabelModel: ProcessRewardModel + Forget {}

impl<M: ProcessRewardModel + Forget> LabelModel for M {}

/// A corpus with the models that it is labelled by: what a [`LabelRun`] takes its replies from.
///
/// ```
/// use saffron_core::{Forget, ModelError, PlainVocabulary, ProcessRewardModel, Reply, Session};
/// use saffron_search::eval::runs::Shard;
/// use saffron_train::recipe::{LabelCorpus, LabelRecipe, Labelling, RunOrigin};
/// # use saffron_core::{Token, Vocabulary, VocabularyError, VocabularyId};
/// # #[derive(Debug)]
/// # struct Bytes;
/// # impl Vocabulary for Bytes {
/// #     fn id(&self) -> VocabularyId { VocabularyId(7) }
/// #     fn size(&self) -> usize { 256 }
/// #     fn decode(&self, ids: &[Token]) -> Result<String, VocabularyError> {
/// #         Ok(ids.iter().filter_map(|id| char::from_u32(*id)).collect())
/// #     }
/// #     fn encode(&self, text: &str) -> Result<Option<Vec<Token>>, VocabularyError> {
/// #         Ok(Some(text.bytes().map(Token::from).collect()))
/// #     }
/// # }
///
/// /// A guard of your own: longer replies are safer.
/// struct Long;
///
/// impl ProcessRewardModel for Long {
///     fn process_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
///         let rewards = sessions.iter().map(|session| session.response().len() as f32).collect();
///         Ok(Reply::free(rewards, sessions.len()))
///     }
/// }
///
/// impl Forget for Long {
///     fn forget(&mut self) {}
/// }
///
/// let folder = tempfile::tempdir()?;
/// let rows = folder.path().join("replies.csv");
/// std::fs::write(&rows, "prompt,reply\nHow?,So.\n")?;
/// let recipe: LabelRecipe = serde_json::from_value(serde_json::json!({
///     "corpus": { "data": {
///         "name": "mine", "path": rows, "format": { "columns": { "prompt": "prompt", "reply": "reply" } },
///     } },
///     "guard": { "base": "my/guard" },
/// }))?;
/// recipe.check()?;
/// let corpus = LabelCorpus::read(&recipe)?;
/// // `Bytes` is a vocabulary whose tokens are bytes.
/// let mut labelling = Labelling::new(corpus, Box::new(Long), std::sync::Arc::new(Bytes));
/// let out = folder.path().join("labels");
/// let mut run = labelling.open(&recipe, &out, Shard::WHOLE, &RunOrigin::default())?;
/// let summary = run.run(&mut labelling, &mut |_| {})?;
/// assert_eq!((summary.labelled, summary.tokens), (1, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Labelling {
    corpus: LabelCorpus,
    model: Box<dyn LabelModel>,
    vocabulary: Arc<dyn Vocabulary>,
    replier: Option<Box<dyn Replier>>,
}

impl fmt::Debug for Labelling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Labelling").field("replies", &self.corpus.len()).finish_non_exhaustive()
    }
}

impl Labelling {
    /// A corpus whose replies stand in its data, the model that rewards them, and the vocabulary of
    /// that model, which must encode text.
    #[must_use]
    pub fn new(corpus: LabelCorpus, model: Box<dyn LabelModel>, vocabulary: Arc<dyn Vocabulary>) -> Self {
        Self { corpus, model, vocabulary, replier: None }
    }

    /// The same, with whoever replies to the questions of the corpus.
    #[must_use]
    pub fn with_replier(self, replier: Box<dyn Replier>) -> Self {
        Self { replier: Some(replier), ..self }
    }

    /// Begins the run in a directory, or takes up the one that is there.
    ///
    /// # Errors
    ///
    /// As [`LabelRun::open`]; settings that nothing can be labelled with, questions that nobody
    /// replies to, files that cannot be read, a run of an earlier version that asked otherwise.
    pub fn open(
        &self,
        recipe: &LabelRecipe,
        out: &Path,
        shard: Shard,
        origin: &RunOrigin,
    ) -> Result<LabelRun, RecipeError> {
        if self.replier.is_none() && matches!(self.corpus.rows, Rows::Questions(_)) {
            return Err(RecipeError::NoReplier);
        }
        let mut known = origin.models.clone();
        for file in &self.corpus.files {
            known.extend([fingerprint(file)?]);
        }
        // The guard reads the text of prompts.
        known.insert(ENCODING.to_owned(), TOGETHER.to_owned());
        let settings = recipe.settings(&origin.folder, self.corpus.len(), self.vocabulary.size())?;
        let manifest = settings.manifest(shard)?.fingerprint("device", &origin.device);
        let manifest = with_files(manifest, "origin", recipe, &origin.folder, &known, &files_of)?;
        check_old_run(out, &manifest)?;
        Ok(LabelRun::open(out, manifest)?)
    }
}

impl Source for Labelling {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.vocabulary.clone()
    }

    fn replies(&mut self, places: Range<usize>) -> Result<Vec<Conversation>, Box<dyn Error + Send + Sync>> {
        let (set, to) = (&self.corpus.set, &*self.vocabulary);
        match (&self.corpus.rows, &mut self.replier) {
            (Rows::Replies(texts), _) => {
                let wanted = texts.get(places).ok_or("the corpus has fewer replies")?;
                Ok(wanted.iter().map(|text| text.encode(set, to)).collect::<Result<_, _>>()?)
            }
            (Rows::Questions(asked), Some(replier)) => Ok(answers(asked, places, &mut **replier, set, to)?),
            (Rows::Questions(_), None) => Err(RecipeError::NoReplier.into()),
        }
    }

    fn model(&mut self) -> &mut dyn ProcessRewardModel {
        &mut self.model
    }

    fn forget(&mut self) {
        self.model.forget();
        if let Some(replier) = &mut self.replier {
            replier.forget();
        }
    }
}

/// The replies to questions at some places of the corpus.
fn answers(
    asked: &Questions,
    places: Range<usize>,
    replier: &mut dyn Replier,
    set: &str,
    to: &dyn Vocabulary,
) -> Result<Vec<Conversation>, ReplyError> {
    let mut conversations = Vec::with_capacity(places.len());
    for (sample, wanted) in asked.batches(places) {
        let SampledReplies { max_new_tokens, .. } = asked.sampled;
        let seed = asked.seed.wrapping_add(sample as u64);
        let settings = ReplySettings { filter: asked.sampled.filter(), max_new_tokens, seed };
        let questions = asked.questions.get(wanted).unwrap_or_default();
        let replies = replier.replies(questions, &settings)?;
        let (expected, found) = (questions.len(), replies.len());
        if found != expected {
            return Err(ReplyError::Count { expected, found });
        }
        for (question, reply) in questions.iter().zip(&replies) {
            let converted = conversation(question, sample, reply, set, to);
            conversations.push(converted.map_err(|error| ReplyError::of(question, error))?);
        }
    }
    Ok(conversations)
}

/// Prompt and reply in a guard's ids. What the attacker has forced is no part of it: a reward model
/// does not see it.
fn conversation(
    question: &Question,
    sample: usize,
    PolicyReply { session, tokens }: &PolicyReply,
    set: &str,
    to: &dyn Vocabulary,
) -> Result<Conversation, ModelError> {
    let from = session.vocabulary();
    Ok(Conversation {
        id: format!("{}/{sample}", question.id),
        set: set.to_owned(),
        group: Some(question.id.clone()),
        label: None,
        prompt: convert(session.prompt(), from, to)?,
        prompt_text: session.prompt_text().map(str::to_owned),
        reply: convert(tokens, from, to)?,
    })
}

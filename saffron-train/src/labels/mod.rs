//! Token-level rewards of a corpus, computed once and kept on disk (Saffron paper, §4.2).
//!
//! Partial supervision trains a model on the reward R(s\[0:j+1)) of every prefix of every reply. An
//! [`Annotator`] asks any [`ProcessRewardModel`](saffron_core::ProcessRewardModel) for them; a
//! [`LabelRun`] does so for a whole corpus, into a directory, and goes on where it was killed;
//! [`merge`] puts the shards of a run together; [`read`] gives the [`TokenRewards`] back. A
//! [`LabelRecipe`](crate::recipe::LabelRecipe) is a whole run as data.
//!
//! # The directory
//!
//! | file | what |
//! |---|---|
//! | `manifest.json` | [`LabelSettings`], fingerprints of models and data, the shard; written once, whole or not at all |
//! | `labels.jsonl` | one [`TokenRewards`] a line |
//! | `summary.json` | [`LabelSummary`], once everything is done |
//! | `log.jsonl` | a [`LabelLogLine`] a group, if a [`LabelLog`] is kept |
//! | `lock` | held by the process that works on the run; empty, and free again when that process dies |
//!
//! `manifest.json` is an object of `format_version` (of manifests, 1), `settings`, `fingerprints` (an object of texts) and `shard` (a text
//! such as `"0/1"`). Its `settings` are `labels_version` ([`LABELS_VERSION`], 1), `items` (replies of the corpus), `vocab_size` (all ids
//! are below it), `max_tokens` (of prompt and reply together), `group` (replies written together), `batch` (prefixes a model call) and
//! `origin` (any JSON: reward model, template, source of the replies, seed).
//!
//! `labels.jsonl` is UTF-8, an object a line, in the order of the corpus:
//!
//! | member | type | what |
//! |---|---|---|
//! | `index` | whole number | place among all replies of the corpus, from 0; a shard has the places of its own groups, in ascending order |
//! | `id` | text | the reply's id, unique in the corpus |
//! | `set` | text | name of the data set |
//! | `group` | text, may be absent | topic or question |
//! | `label` | `"complied"` or `"refused"`, may be absent | what the reply is known to have done |
//! | `prompt` | array of whole numbers | token ids of the prompt, without any template; at least one |
//! | `prompt_text` | text, may be absent | the prompt in words: models encode it together with the words of their template. Without it they are trained on `prompt` between the template's ids |
//! | `reply` | array of whole numbers | token ids of the reply, without an end-of-sequence token |
//! | `rewards` | array of numbers, as long as `reply` | `rewards[j]` is the reward of `reply[0..=j]` as an answer to `prompt`: an unbounded 32-bit float, higher is safer; for a guard logit(safe) − logit(unsafe), a natural logarithm of odds |
//! | `cut` | whole number | tokens of the reply that were left out because of `max_tokens` |
//!
//! Numbers read back bit for bit. A reply without a token, or whose prompt alone fills `max_tokens`, has a line with empty `reply` and
//! `rewards`, so that lines are complete; readers leave it out.
//!
//! With the feature `parquet`, the module `parquet` writes and reads the same records as a parquet file, for other tools.
//!
//! # Example
//!
//! ```
//! use std::{error::Error, ops::Range, sync::Arc};
//! use saffron_core::{FnReward, PlainVocabulary, ProcessRewardModel, Session, Vocabulary, process_reward_fn};
//! use saffron_search::eval::runs::Shard;
//! use saffron_train::labels::{Conversation, LabelRun, LabelSettings, Source, read};
//!
//! struct Corpus<M> { replies: Vec<Conversation>, model: M }
//!
//! impl<M: ProcessRewardModel> Source for Corpus<M> {
//!     fn vocabulary(&self) -> Arc<dyn Vocabulary> { PlainVocabulary::shared(10) }
//!     fn replies(&mut self, places: Range<usize>) -> Result<Vec<Conversation>, Box<dyn Error + Send + Sync>> {
//!         Ok(self.replies[places].to_vec())
//!     }
//!     fn model(&mut self) -> &mut dyn ProcessRewardModel { &mut self.model }
//!     fn forget(&mut self) {} // The engines of models with a cache forget here.
//! }
//!
//! let reply = Conversation { id: "a".into(), prompt: vec![1], reply: vec![5, 6], ..Conversation::default() };
//! let model = process_reward_fn(|session| session.response().len() as f32);
//! let mut corpus = Corpus { replies: vec![reply], model };
//! let manifest = LabelSettings::new(1, 10).manifest(Shard::WHOLE)?.fingerprint("model", "number of tokens");
//! let dir = tempfile::tempdir()?;
//! let summary = LabelRun::open(dir.path(), manifest)?.run(&mut corpus, &mut |_| {})?;
//! assert_eq!((summary.labelled, summary.tokens), (1, 2));
//! assert_eq!(read(dir.path())?.1[0].rewards, [1.0, 2.0]);
//! # Ok::<(), Box<dyn Error>>(())
//! ```

mod annotator;
mod error;
mod finish;
mod log;
#[cfg(feature = "parquet")]
pub mod parquet;
mod record;
mod run;
mod settings;
mod summary;

pub use annotator::{Annotated, Annotator};
pub use error::LabelError;
pub use finish::{merge, read};
pub use log::{LabelLog, LabelLogLine};
pub use record::{Conversation, TokenRewards};
pub use run::{Group, LabelRun, Source};
pub use settings::{LABELS_VERSION, LabelSettings};
pub use summary::{LabelSummary, RewardSummary};

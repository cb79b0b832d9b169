//! A comparison of strategies over data sets: its configuration, its run, its report.
//!
//! | item | what |
//! |---|---|
//! | [`ComparisonConfig`] | what is compared over what; a program reads it from a file and [settles](ComparisonConfig::settled) it |
//! | [`Comparison`] | a configuration with its prompts read and its models opened, ready to [run](Comparison::run) |
//! | [`Report`] | the records of a run, its [`Results`], its line in a [log](LoggedRun) |
//! | [`merge_shards`] | one run of shards that ran apart |
//!
//! Models come from a program's own [`ModelOpener`](super::models::ModelOpener). Nothing here
//! prints or draws: [`Results`] can be serialised, and has all that a table or a picture needs.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use saffron_search::eval::comparison::{Comparison, ComparisonConfig, open_run};
//! use saffron_search::eval::inputs::model_files;
//! # use std::sync::Arc;
//! # use saffron_core::*;
//! use saffron_search::eval::models::*;
//! use saffron_search::eval::runs::Shard;
//! # struct Echo;
//! # impl Policy for Echo {
//! #     fn vocabulary(&self) -> Arc<dyn Vocabulary> { PlainVocabulary::shared(4) }
//! #     fn end_tokens(&self) -> Vec<Token> { vec![0] }
//! #     fn propose(&mut self, sessions: &[Session], filter: &CandidateFilter) -> Result<Reply<Vec<Candidates>>, ModelError> {
//! #         let one = |session: &Session| filter.apply(&[0.0, 1.0, 2.0, 3.0], session.response(), 0);
//! #         Ok(Reply::free(sessions.iter().map(one).collect::<Result<_, _>>()?, sessions.len()))
//! #     }
//! # }
//! # impl Forget for Echo { fn forget(&mut self) {} }
//! # impl TextPolicy for Echo {
//! #     fn encode(&self, text: &str) -> Result<Vec<Token>, ModelError> { Ok(vec![text.len() as Token % 4]) }
//! # }
//! # impl ComparedPolicy for Echo {
//! #     fn context(&self, session: &Session) -> Result<Vec<Token>, ModelError> {
//! #         Ok([session.prompt(), session.response()].concat())
//! #     }
//! # }
//!
//! // A program's own models; `Echo` is a policy of four tokens.
//! struct Mine;
//! impl ModelOpener for Mine {
//!     fn policy(&mut self, _: &PolicySettings) -> Result<Box<dyn ComparedPolicy>, OpenError> { Ok(Box::new(Echo)) }
//!     fn mrm(&mut self, _: &MrmSettings) -> Result<Box<dyn ComparedScorer>, OpenError> { Err("none here".into()) }
//!     fn guard(&mut self, _: &GuardSettings) -> Result<Box<dyn ComparedGuard>, OpenError> { Err("none here".into()) }
//!     fn fingerprints(&self) -> Result<BTreeMap<String, String>, OpenError> { Ok(BTreeMap::new()) }
//! }
//!
//! let folder = tempfile::tempdir()?;
//! std::fs::write(folder.path().join("asked.jsonl"), "{\"prompt\": \"Why?\"}\n{\"prompt\": \"How so?\"}\n")?;
//! let config: ComparisonConfig = serde_json::from_value(serde_json::json!({
//!     "max_new_tokens": 4,
//!     "policy": { "model": "mine/echo" },
//!     "judges": [{ "name": "phrases", "judge": { "kind": "refusal-phrases" } }],
//!     "data": [{ "name": "asked", "path": "asked.jsonl", "format": "prompts" }],
//!     "strategies": [
//!         { "name": "greedy", "strategy": { "kind": "greedy" } },
//!         { "name": "sampling", "strategy": { "kind": "sampling" } },
//!     ],
//! }))?;
//! let config = config.settled(folder.path())?;
//! let mut models = config.open(&mut Mine)?;
//! let mut comparison = Comparison::prepare(&config, folder.path(), &mut models)?;
//! let manifest = comparison.manifest(Shard::WHOLE, &|path| Ok(model_files(path)?))?;
//! let mut run = open_run(&folder.path().join("run"), manifest)?;
//! let report = comparison.run(&mut run, &mut |_| {})?;
//! report.check_answered()?;
//! assert_eq!((report.records.len(), report.results.rows.len()), (4, 2));
//! report.write(run.path())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod beside;
mod check;
mod check_published;
mod config;
mod error;
mod log;
mod marks;
mod notes;
mod prepare;
mod published;
mod report;
mod results;
mod run;
mod unanswered;

pub use beside::{OwnNumber, PublishedNumber};
pub use config::{ComparisonConfig, ContenderConfig, DataConfig};
pub use error::{ComparisonConfigError, ComparisonError, DataSetError, PrepareError};
pub use log::{LoggedRun, Outcome, configuration};
pub use marks::{MarksNote, SpelledMarks};
pub use notes::JudgeNote;
pub use prepare::{Prepared, items, prepare};
pub use published::{PublishedConfig, PublishedError, PublishedPoint};
pub use report::Report;
pub use results::{Fit, Results, results};
pub use run::{Comparison, merge_shards, open_run};
pub use unanswered::{Unanswered, UnansweredError};

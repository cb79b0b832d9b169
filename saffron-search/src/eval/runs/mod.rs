//! Runs over many prompts whose records survive a kill.
//!
//! A run is a directory: `manifest.json` says with which settings, `records.jsonl` has one record a line, written as
//! each prompt ends. A run that was killed is opened again and goes on where it stopped; a run that is too long is
//! parted into shards, directories of their own, and merged.
//!
//! | file | what |
//! |---|---|
//! | `manifest.json` | settings, fingerprints of models and data, the shard; written whole or not at all |
//! | `records.jsonl` | the records, claimed by the process that works on the run; a torn last line is cut off when the run is opened |
//! | `summary.json` | what came of it, written by [`RunDir::write_summary`] |
//! | `lock` | held by the process that works on the run, from before it reads the manifest; empty, and free again when that process dies |
//!
//! ```
//! use std::num::NonZeroUsize;
//! use saffron_search::eval::runs::{Arm, Ending, Kind, Manifest, Plan, Record, RunDir, Shard, Timings};
//!
//! let (arms, prompts) = (vec![Arm::new("saffron", 4)], vec!["a".into(), "b".into(), "c".into()]);
//! let plan = Plan::new(arms, prompts, NonZeroUsize::MIN);
//! let manifest = Manifest::new(serde_json::json!({ "width": 4 }), Shard::WHOLE);
//! let dir = tempfile::tempdir()?;
//! let mut run = RunDir::open(dir.path(), manifest.clone())?;
//! for key in run.pending(&plan) {
//!     let (index, group) = plan.place(&key.prompt).unwrap();
//!     let ending = Ending::Failed { error: "no model here".into() };
//!     let (set, kind) = ("harm".into(), Kind::Attacked { attack: "prefill".into() });
//!     let (category, template, prompt, timings) = (None, None, None, Timings::default());
//!     run.append(&Record { key, index, group, set, kind, category, template, prompt, ending, timings })?;
//! }
//! run.finish(&plan)?;
//! drop(run);
//! assert!(RunDir::open(dir.path(), manifest)?.pending(&plan).is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod counts;
mod difference;
mod dir;
mod error;
mod manifest;
mod merge;
mod plan;
mod record;
mod secrets;
mod shard;
pub mod summary;

pub use counts::Counts;
pub use difference::Difference;
pub use dir::{RunDir, read, write_summary};
pub use error::RunError;
pub use manifest::{FORMAT_VERSION, Manifest};
pub use merge::{Merged, check_shards, merge};
pub use plan::{Arm, Plan, groups};
pub use record::{Answer, Ending, Judgement, Key, Kind, Record, Timings};
pub use secrets::SecretError;
pub use shard::{Shard, ShardError};

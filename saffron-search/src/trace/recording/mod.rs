//! Every answer that the models of a search gave, in full: the search runs again from it without any model.
//!
//! ```
//! use saffron_core::testing::{ScriptedReward, TablePolicy};
//! use saffron_core::DirectPort;
//! use saffron_search::trace::recording::{Recording, RecordingPort, ReplayPort};
//! use saffron_search::{Saffron, Searcher};
//! let (mut policy, mut reward) = (TablePolicy::new(vec![0.0; 4], vec![0]), ScriptedReward::new(1.0));
//! let searcher = Searcher::new(Saffron::paper(2)).max_new_tokens(3);
//! let session = policy.session(&[1, 2])?;
//! let mut models = DirectPort::new(&mut policy, &mut reward);
//! let mut port = RecordingPort::new(&mut models);
//! let live = searcher.run_port(&session, &mut port, &mut ())?;
//! let mut lines = Vec::new();
//! port.finish().write(&mut lines)?;
//!
//! let mut port = ReplayPort::new(Recording::read(&lines[..])?);
//! let session = port.session()?;
//! let again = searcher.run_port(&session, &mut port, &mut ())?;
//! assert_eq!(again.beam, live.beam);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod data;
mod mismatch;
mod recorder;
mod replayer;

pub use data::{Answer, AskedSession, Models, Prompt, RecordedCall, Recording, Request};
pub use mismatch::ReplayError;
pub use recorder::RecordingPort;
pub use replayer::ReplayPort;

//! A search written down: as JSON lines, as a picture of its tree, as the models' own answers. Writes wherever it is told to and reads
//! what it is given; opens no files. Times are left out, so that equal searches have equal traces.
//!
//! | | holds | serves |
//! |---|---|---|
//! | [`JsonlTrace`] | events, candidates in summary | looking back: [`replay`], [`replay_summaries`] |
//! | [`TextTrace`] | the beam level by level, as text | reading |
//! | [`report`] | what was found and what it cost | reading |
//! | [`tree`] | the tree with what was passed over and why | looking at: Graphviz, a page |
//! | [`recording`] | every answer of the models in full | running again without models |

mod event;
mod lines;
pub mod recording;
mod replay;
pub mod report;
mod summary;
mod text;
pub mod tree;
mod wire;
mod writer;

pub use event::TraceEvent;
pub use lines::{TraceError, events, read};
pub use replay::{SummaryObserver, replay, replay_summaries};
pub use summary::{DEFAULT_CANDIDATES, ScoreSummary, ShownCandidate};
pub use text::TextTrace;
pub use writer::JsonlTrace;

//! Labels by people, or by other readers: a sheet of answers that does not tell which strategy gave
//! them, what comes back, and how judges agree with it.
//!
//! | item | what |
//! |---|---|
//! | [`Sheet`] | answers in random order, some of them twice, as a CSV; the key lies in a file of its own |
//! | [`Labels`] | a sheet that was filled in, beside its key |
//! | [`LabelReport`] | sensitivity, specificity and Cohen's kappa of every judge, disagreements, attack success corrected for the judge's errors |

mod error;
mod key;
mod read;
mod report;
mod sheet;

pub use error::LabelError;
pub use key::{Keyed, SheetKey};
pub use read::{LabelWords, Labels};
pub use report::{CorrectedRow, Disagreement, JudgeBesideLabels, LabelReport, Repeats};
pub use sheet::{LeftOut, Sheet, SheetRow, SheetSettings};

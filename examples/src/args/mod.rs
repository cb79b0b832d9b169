//! Arguments of single programs that are too many to stand in their recipes.

mod best_of_n;
mod export_mrm;
mod kept;
mod search_tree;

pub use best_of_n::BestOfNArgs;
pub use export_mrm::{ExportMrmArgs, ExportName, ReferenceChoice};
pub use kept::KeptArgs;
pub use search_tree::SearchTreeArgs;

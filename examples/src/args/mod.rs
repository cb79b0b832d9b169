//! Arguments of single programs that are too many to stand in their recipes.

mod best_of_n;
mod kept;
mod search_tree;

pub use best_of_n::BestOfNArgs;
pub use kept::KeptArgs;
pub use search_tree::SearchTreeArgs;

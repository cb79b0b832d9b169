//! What the labelling program brings to a [recipe](saffron_train::recipe): its models, a progress
//! bar, what it prints.

mod models;
mod replier;
mod show;
mod watch;

pub use models::{keep_caches, open, read};
pub use replier::PolicyReplier;
pub use show::show;
pub use watch::watched;

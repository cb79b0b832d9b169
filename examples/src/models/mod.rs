//! Models that a command line or a configuration names, opened: the one place where local and
//! served models, layouts and manifests meet.

mod args;
mod date;
mod fit;
mod guard;
mod hub;
mod layout;
mod mrm;
mod opener;
mod parts;
mod policy;
mod served;

pub use args::{PolicyArgs, dtype, weight_type};
pub use date::{DATE, TemplateDate};
pub use fit::{DoesNotFit, MemoryArgs};
pub use guard::NamedGuard;
pub use layout::LayoutChoice;
pub use mrm::NamedMrm;
pub use opener::Opener;
pub use parts::needs_question;
pub use policy::NamedPolicy;
pub use saffron_train::recipe::files_of;
pub use served::WaitArgs;

use crate::output::say;

/// Says something about models that the user should know, on standard error.
pub fn note(text: &str) {
    say(format_args!("note: {text}"));
}

//! Models that a command line or a configuration names, opened: the one place where local and
//! served models, layouts and manifests meet.

mod adapted;
mod args;
mod date;
mod guard;
mod hub;
mod layout;
mod opener;
mod policy;
mod served;

pub use adapted::base_name;
pub use args::{PolicyArgs, TypeName};
pub use date::{DATE, TemplateDate};
pub use guard::NamedGuard;
pub use layout::LayoutChoice;
pub use opener::{DEFAULT_LAYOUT, Opener};
pub use policy::{ENCODING, NamedPolicy, TOGETHER, encodes_together};
pub use served::WaitArgs;

/// Says something about models that the user should know, on standard error.
#[allow(clippy::print_stderr, reason = "a note to the user of a program")]
pub(crate) fn note(text: &str) {
    eprintln!("note: {text}");
}

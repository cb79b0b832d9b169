//! The public sets that a configuration may name.

use anyhow::Result;
use saffron_search::eval::data::sets::PublicSet;

use crate::output::line;

/// Prints name, licence, source, files and columns of every public set.
///
/// # Errors
///
/// A standard output that cannot be written.
pub fn list_formats() -> Result<()> {
    PublicSet::all().try_for_each(|set| Ok(line(set.description())?))
}

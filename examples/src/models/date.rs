//! The date that a chat template tells: today's for a new run, that of its manifest for one that is
//! resumed.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result};
use jiff::Zoned;
use jiff::civil::Date;
use saffron_search::eval::runs::Manifest;

/// The name of the date among a manifest's fingerprints.
pub const DATE: &str = "template date";

/// A date, as `2026-11-30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateDate(Date);

impl TemplateDate {
    /// Today's, where the program runs.
    #[must_use]
    pub fn today() -> Self {
        Self(Zoned::now().date())
    }

    /// The date of the run in a directory, or today's where there is no run, or one whose prompts
    /// tell no date.
    ///
    /// # Errors
    ///
    /// A manifest that cannot be read, or whose date is none.
    pub fn of_run(dir: &Path) -> Result<Self> {
        let manifest = Manifest::read(&dir.join("manifest.json"))?;
        match manifest.as_ref().and_then(|manifest| manifest.fingerprints.get(DATE)) {
            Some(date) => date.parse().with_context(|| format!("{}: {DATE}", dir.join("manifest.json").display())),
            None => Ok(Self::today()),
        }
    }

    /// Year, month, day.
    #[must_use]
    pub fn parts(self) -> (i16, i8, i8) {
        (self.0.year(), self.0.month(), self.0.day())
    }
}

impl FromStr for TemplateDate {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(Self(text.parse().with_context(|| format!("expected a date such as 2026-11-30, found {text:?}"))?))
    }
}

impl fmt::Display for TemplateDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

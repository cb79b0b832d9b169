//! Public sets by name. The files stay the user's: nothing is fetched.
//!
//! A [`PublicSet`] says what the columns of a published file are, where the file is published and
//! under which licence. In a configuration its name is a format: `format = "harmbench"`.
//!
//! ```
//! use saffron_search::eval::data::sets::{PublicSet, Rows};
//! let set = PublicSet::named("xstest").ok_or("a set of that name")?;
//! assert_eq!((set.licence(), set.rows()), ("CC BY 4.0", Rows::Harmless));
//! assert_eq!(set.columns().map(|columns| columns.prompt).as_deref(), Some("prompt"));
//! # Ok::<(), &str>(())
//! ```

mod described;
mod table;

use std::fmt;

use super::{Columns, Filter, Unwanted};
pub use described::SetDescription;
use table::SETS;

/// A public set.
#[derive(Clone, Copy)]
pub struct PublicSet(&'static Entry);

/// What a set's rows ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Harm: an answer is a success of the attack.
    Harmful,
    /// Nothing harmful: a refusal is one too many.
    Harmless,
    /// The set's files differ in it: the configuration says it of the file.
    OfFile,
}

/// What a set's files hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one at a time")]
pub(super) enum Contents {
    Rows(Columns),
    /// A prompt a line.
    Lines,
    /// Transcripts of dialogues.
    Transcripts,
    /// Prompts with two replies, one of which is safer.
    SaferOfTwo,
}

/// A set as the table has it.
#[derive(Debug)]
struct Entry {
    name: &'static str,
    title: &'static str,
    licence: &'static str,
    source: &'static str,
    files: &'static str,
    rows: Rows,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    Columns(Named),
    Lines,
    Transcripts,
    SaferOfTwo,
}

/// The columns that a set names.
#[derive(Debug)]
struct Named {
    prompt: &'static str,
    reply: Option<&'static str>,
    id: Option<&'static str>,
    goal: Option<&'static str>,
    target: Option<&'static str>,
    category: Option<&'static str>,
    context: Option<&'static str>,
    /// A column and the value of the rows that are kept.
    kept: Option<(&'static str, &'static str)>,
    rows: Option<&'static str>,
    header: bool,
    empty: Unwanted,
}

impl PublicSet {
    /// The set of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|set| set.name() == name)
    }

    /// All sets, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        SETS.iter().map(Self)
    }

    /// Its name in configurations.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// What it is.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.0.title
    }

    /// The licence that its publisher states.
    #[must_use]
    pub fn licence(self) -> &'static str {
        self.0.licence
    }

    /// Where it is published.
    #[must_use]
    pub fn source(self) -> &'static str {
        self.0.source
    }

    /// Which of the published files, and what they are.
    #[must_use]
    pub fn files(self) -> &'static str {
        self.0.files
    }

    /// What its rows ask for.
    #[must_use]
    pub fn rows(self) -> Rows {
        self.0.rows
    }

    /// Its columns, where a file of others with the same columns could be read by them.
    #[must_use]
    pub fn columns(self) -> Option<Columns> {
        match self.contents() {
            Contents::Rows(columns) => Some(columns),
            Contents::Lines | Contents::Transcripts | Contents::SaferOfTwo => None,
        }
    }

    /// What its files hold.
    pub(super) fn contents(self) -> Contents {
        match &self.0.shape {
            Shape::Columns(named) => Contents::Rows(named.columns()),
            Shape::Lines => Contents::Lines,
            Shape::Transcripts => Contents::Transcripts,
            Shape::SaferOfTwo => Contents::SaferOfTwo,
        }
    }

    /// What there is to tell of it.
    #[must_use]
    pub fn description(self) -> SetDescription {
        SetDescription::of(self)
    }
}

impl PartialEq for PublicSet {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for PublicSet {}

impl fmt::Debug for PublicSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicSet").field(&self.name()).finish()
    }
}

impl Named {
    const fn prompt(prompt: &'static str) -> Self {
        Self {
            prompt,
            reply: None,
            id: None,
            goal: None,
            target: None,
            category: None,
            context: None,
            kept: None,
            rows: None,
            header: true,
            empty: Unwanted::Refuse,
        }
    }

    fn columns(&self) -> Columns {
        let named = |column: Option<&str>| column.map(str::to_owned);
        let filter = self
            .kept
            .map(|(column, value)| Filter::AnyOf { column: column.to_owned(), values: vec![value.to_owned()] });
        Columns {
            reply: named(self.reply),
            id: named(self.id),
            goal: named(self.goal),
            target: named(self.target),
            category: named(self.category),
            context: named(self.context),
            rows: named(self.rows),
            header: self.header,
            empty: self.empty,
            filter,
            ..Columns::new(self.prompt)
        }
    }
}

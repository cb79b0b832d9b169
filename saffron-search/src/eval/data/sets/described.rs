//! What there is to tell of a set.

use std::fmt;

use super::{Contents, PublicSet, Rows};
use crate::eval::data::{Columns, Filter, Unwanted};

/// A set in words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetDescription {
    /// Its name in configurations.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    /// The licence that its publisher states.
    pub licence: &'static str,
    /// Where it is published.
    pub source: &'static str,
    /// Which of the published files, and what they are.
    pub files: &'static str,
    /// What its rows ask for.
    pub rows: &'static str,
    /// Which column is what.
    pub columns: String,
}

impl SetDescription {
    pub(super) fn of(set: PublicSet) -> Self {
        Self {
            name: set.name(),
            title: set.title(),
            licence: set.licence(),
            source: set.source(),
            files: set.files(),
            rows: match set.rows() {
                Rows::Harmful => "harmful",
                Rows::Harmless => "harmless (benign = true)",
                Rows::OfFile => "as the configuration says of the file",
            },
            columns: match set.contents() {
                Contents::Rows(columns) => described(&columns),
                Contents::Lines => String::from("prompt = the line"),
                Contents::Transcripts => String::from("prompt and reply = transcript"),
                Contents::SaferOfTwo => String::from(
                    "prompt = prompt, reply = the less safe of response_0 and response_1 (safer_response_id)",
                ),
            },
        }
    }
}

fn described(columns: &Columns) -> String {
    let named = [
        ("prompt", Some(&columns.prompt)),
        ("goal", columns.goal.as_ref()),
        ("target", columns.target.as_ref()),
        ("reply", columns.reply.as_ref()),
        ("context", columns.context.as_ref()),
        ("category", columns.category.as_ref()),
        ("id", columns.id.as_ref()),
        ("rows", columns.rows.as_ref()),
    ];
    let named = named.into_iter().filter_map(|(key, column)| Some(format!("{key} = {}", shown(column?))));
    let mut parts: Vec<String> = named.collect();
    if let Some(Filter::AnyOf { column, values }) = &columns.filter {
        parts.push(format!("only rows with {column} = {}", values.join(", ")));
    }
    if !columns.header {
        parts.push(String::from("no header"));
    }
    if columns.empty == Unwanted::Drop {
        parts.push(String::from("rows without a prompt are left out"));
    }
    parts.join("; ")
}

/// A column, on one line.
fn shown(column: &str) -> String {
    column.replace('\n', "\\n")
}

impl fmt::Display for SetDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, title, licence, source, files, rows, columns } = self;
        writeln!(f, "{name}: {title}")?;
        writeln!(f, "  licence  {licence}")?;
        writeln!(f, "  source   {source}")?;
        writeln!(f, "  files    {files}")?;
        writeln!(f, "  rows     {rows}")?;
        write!(f, "  columns  {columns}")
    }
}

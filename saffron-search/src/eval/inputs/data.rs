//! The files of a data set.

use std::path::{Path, PathBuf};

use super::NamedFile;
use crate::eval::data::Format;
use crate::eval::runs::Counts;

/// The files that a data set is read from: its rows, and the questions that its format points at.
#[must_use]
pub fn data_files(path: &Path, format: &Format) -> Vec<PathBuf> {
    let mut files = vec![path.to_path_buf()];
    if let Format::GptfuzzResponses { questions } = format {
        files.push(path.with_file_name(questions));
    }
    files
}

/// The file, other than the rows, that a format names.
pub fn of_format<'a>(format: &'a mut Format, rows: &Path) -> Option<NamedFile<'a>> {
    match format {
        Format::GptfuzzResponses { questions } => {
            let leads_to = rows.with_file_name(&*questions);
            Some(NamedFile::beside(questions, leads_to, Counts::Extension))
        }
        _ => None,
    }
}

//! Files to read, in a folder that goes when the test ends.

use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use saffron_search::eval::data::{DataErrorKind, Dataset, Format, read};
use tempfile::TempDir;

pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file; one whose name ends in `.gz` is zipped.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let bytes = if name.ends_with(".gz") { gzip(content.as_ref()) } else { content.as_ref().to_vec() };
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The data set of one file's content.
pub(crate) fn data(name: &str, content: impl AsRef<[u8]>, format: &Format) -> Dataset {
    read(Files::new().write(name, content), format).unwrap()
}

/// What is wrong with one file's content, and the error's words behind the path.
pub(crate) fn fault(name: &str, content: impl AsRef<[u8]>, format: &Format) -> (DataErrorKind, String) {
    let files = Files::new();
    let error = read(files.write(name, content), format).unwrap_err();
    assert_eq!(error.path(), files.path(name));
    let words = error.to_string();
    let words = words.strip_prefix(&format!("{}: ", files.path(name).display())).unwrap().to_owned();
    (error.into_kind(), words)
}

pub(crate) fn prompts(data: &Dataset) -> Vec<&str> {
    data.items.iter().map(|item| item.prompt.as_str()).collect()
}

pub(crate) fn ids(data: &Dataset) -> Vec<&str> {
    data.items.iter().map(|item| item.id.as_str()).collect()
}

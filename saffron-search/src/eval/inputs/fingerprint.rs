//! What tells one file from another: a checksum of its bytes.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::InputError;
use crate::eval::files::FileError;

/// Where a model's directory has more than one chat template.
const TEMPLATES: &str = "additional_chat_templates";

/// Begins a fingerprint that is a checksum of a file's bytes.
const CHECKSUM: &str = "crc32 ";

/// Finds all files that a model or a data file is read from, by the path that names it.
///
/// [`model_files`] does for files and directories. A program whose models lie in several files of
/// which one is named (a split GGUF) brings its own.
pub type FilesOf<'a> = &'a dyn Fn(&Path) -> Result<Vec<PathBuf>, Box<dyn Error + Send + Sync>>;

/// A file's path and the checksum of its bytes.
///
/// # Errors
///
/// A file that cannot be read.
pub fn fingerprint(path: &Path) -> Result<(String, String), FileError> {
    let sum = checksum(path).map_err(FileError::io("read", path))?;
    Ok((path.display().to_string(), format!("{CHECKSUM}{sum:08x}")))
}

/// The paths and checksums of all files that `files_of` finds, so that a run does not go on with
/// other weights or templates.
///
/// # Errors
///
/// Files that cannot be found or read.
pub fn fingerprints(path: &Path, files_of: FilesOf<'_>) -> Result<Vec<(String, String)>, InputError> {
    let files = files_of(path).map_err(|source| InputError::Model { path: path.to_owned(), source })?;
    files.iter().map(|file| Ok(fingerprint(file)?)).collect()
}

/// The file at a path, or all files of a model's directory, sorted.
///
/// # Errors
///
/// A directory that cannot be read.
pub fn model_files(path: &Path) -> Result<Vec<PathBuf>, FileError> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = entries(path)?;
    let templates = path.join(TEMPLATES);
    if templates.is_dir() {
        files.extend(entries(&templates)?);
    }
    // What the card of a reward model asks for stands in the settings.
    files.retain(|file| file.is_file() && !file.ends_with("saffron.json"));
    files.sort();
    Ok(files)
}

/// Whether a model may be read from a file of its directory; `within` is the file's path in it.
#[must_use]
pub fn is_of_model(within: &Path) -> bool {
    within.components().count() < 2 || within.starts_with(TEMPLATES)
}

/// Whether a fingerprint is a checksum of a file, and not a version or a setting.
pub(super) fn is_checksum(fingerprint: &str) -> bool {
    fingerprint.starts_with(CHECKSUM)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let entries = fs::read_dir(folder).map_err(FileError::io("read", folder))?;
    entries.map(|entry| Ok(entry.map_err(FileError::io("read", folder))?.path())).collect()
}

fn checksum(path: &Path) -> io::Result<u32> {
    let mut file = File::open(path)?;
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

//! What tells one file from another.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use saffron_mrm::checkpoint::Checkpoint;
use saffron_search::eval::data::Format;

/// A file's path and the checksum of its bytes.
pub fn fingerprint(path: &Path) -> Result<(String, String)> {
    let sum = checksum(path).with_context(|| path.display().to_string())?;
    Ok((path.display().to_string(), format!("crc32 {sum:08x}")))
}

/// Where a model's directory has more than one chat template.
const TEMPLATES: &str = "additional_chat_templates";

/// Whether a file of a model's directory, by its path in it, is one that may be read.
#[must_use]
pub fn is_of_model(within: &Path) -> bool {
    within.components().count() < 2 || within.starts_with(TEMPLATES)
}

/// A file's path and checksum, or those of all files in a model's directory, so that a run is not
/// taken up again with other weights or templates.
///
/// # Errors
///
/// A file that cannot be read.
pub fn fingerprints(path: &Path) -> Result<Vec<(String, String)>> {
    if path.extension().is_some_and(|end| end == "gguf") {
        // All parts of a model that is split.
        return Checkpoint::open(path)?.files()?.iter().map(|part| fingerprint(part)).collect();
    }
    if !path.is_dir() {
        return Ok(vec![fingerprint(path)?]);
    }
    let mut files = entries(path)?;
    let templates = path.join(TEMPLATES);
    if templates.is_dir() {
        files.extend(entries(&templates)?);
    }
    files.sort();
    files.iter().filter(|file| file.is_file()).map(|file| fingerprint(file)).collect()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// The files that a data set is read from: itself, and the questions that it points at.
#[must_use]
pub fn data_files(path: &Path, format: &Format) -> Vec<PathBuf> {
    let mut files = vec![path.to_path_buf()];
    if let Format::GptfuzzResponses { questions } = format {
        files.push(path.with_file_name(questions));
    }
    files
}

fn checksum(path: &Path) -> Result<u32> {
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

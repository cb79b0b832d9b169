//! What tells one file from another.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use saffron_search::eval::data::Format;

/// A file's path and the checksum of its bytes.
pub fn fingerprint(path: &Path) -> Result<(String, String)> {
    let sum = checksum(path).with_context(|| path.display().to_string())?;
    Ok((path.display().to_string(), format!("crc32 {sum:08x}")))
}

/// A file's path and checksum, or those of all files in a directory, so that a run is not taken up again with other weights.
///
/// # Errors
///
/// A file that cannot be read.
pub fn fingerprints(path: &Path) -> Result<Vec<(String, String)>> {
    if !path.is_dir() {
        return Ok(vec![fingerprint(path)?]);
    }
    let entries = std::fs::read_dir(path).with_context(|| path.display().to_string())?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    files.sort();
    files.iter().filter(|file| file.is_file()).map(|file| fingerprint(file)).collect()
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

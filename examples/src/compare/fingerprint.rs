//! What tells one file from another.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};

/// A file's path and the checksum of its bytes.
pub fn fingerprint(path: &Path) -> Result<(String, String)> {
    let sum = checksum(path).with_context(|| path.display().to_string())?;
    Ok((path.display().to_string(), format!("crc32 {sum:08x}")))
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

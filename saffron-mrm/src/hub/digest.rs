//! Checksums as the hub gives them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 18;

/// The checksum of a file. The hub gives SHA-256 for large files (LFS) and Git's SHA-1 for the
/// others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Digest {
    Sha256(String),
    Sha1(String),
}

impl Digest {
    /// Reads 64 or 40 hexadecimal digits, with or without an etag's quotes. Other etags are no
    /// checksums.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches("W/").trim_matches('"').to_ascii_lowercase();
        if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        match text.len() {
            64 => Some(Self::Sha256(text)),
            40 => Some(Self::Sha1(text)),
            _ => None,
        }
    }

    /// The digits, which name the file among a cache's blobs.
    pub(super) fn hex(&self) -> &str {
        match self {
            Self::Sha256(hex) | Self::Sha1(hex) => hex,
        }
    }

    /// Compares with a file. An error in the inner result is the file's own checksum.
    pub(super) fn check(&self, path: &Path) -> io::Result<Result<(), String>> {
        let found = match self {
            Self::Sha256(_) => vec![sha256(path)?],
            Self::Sha1(_) => sha1(path)?,
        };
        match found.iter().any(|found| found == self.hex()) {
            true => Ok(Ok(())),
            false => Ok(Err(found.into_iter().next().unwrap_or_default())),
        }
    }
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    read(path, |bytes| hash.update(bytes))?;
    Ok(format!("{:x}", hash.finalize()))
}

/// The SHA-1 of the file as Git stores it, and of its bytes alone, which some mirrors give as the
/// etag.
fn sha1(path: &Path) -> io::Result<Vec<String>> {
    let (mut git, mut plain) = (Sha1::new(), Sha1::new());
    git.update(format!("blob {}\0", path.metadata()?.len()));
    read(path, |bytes| {
        git.update(bytes);
        plain.update(bytes);
    })?;
    Ok(vec![format!("{:x}", git.finalize()), format!("{:x}", plain.finalize())])
}

fn read(path: &Path, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(()),
            count => take(&chunk[..count]),
        }
    }
}

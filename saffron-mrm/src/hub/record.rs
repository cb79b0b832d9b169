//! Records of verified files. Other programs do not read them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::digest::Digest;

/// What the hub says about a file; `None` if it does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) size: Option<u64>,
    pub(super) digest: Option<Digest>,
}

/// A verified file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    size: u64,
    digest: Option<String>,
    /// Modification time in nanoseconds since 1970: a file changed later is verified again.
    modified: Option<u64>,
}

/// All files that one purpose needs, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) files: BTreeMap<String, Entry>,
}

impl Entry {
    /// The entry of a file that has just been verified.
    pub(super) fn of(path: &Path, digest: Option<&Digest>) -> io::Result<Self> {
        let found = path.metadata()?;
        let age = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = age.and_then(|age| u64::try_from(age.as_nanos()).ok());
        Ok(Self { size: found.len(), digest: digest.map(|digest| digest.hex().to_owned()), modified })
    }

    /// What the file should be.
    pub(super) fn known(&self) -> Known {
        Known { size: Some(self.size), digest: self.digest.as_deref().and_then(Digest::parse) }
    }
}

/// Whether a file exists and is correct. Checks its length always, and its checksum unless an entry
/// shows that it was verified and has not changed since.
pub(super) fn is_sound(path: &Path, known: &Known, entry: Option<&Entry>) -> io::Result<bool> {
    let found = match path.metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    if !found.is_file() || known.size.is_some_and(|size| size != found.len()) {
        return Ok(false);
    }
    let Some(digest) = &known.digest else { return Ok(true) };
    let now = Entry::of(path, Some(digest))?;
    if now.modified.is_some() && entry == Some(&now) {
        return Ok(true);
    }
    Ok(digest.check(path)?.is_ok())
}

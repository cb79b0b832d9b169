//! The zip archive around a pickle. Its directory is read with a limit: an entry takes ten times
//! its bytes in memory.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zip::ZipArchive;

use super::{LoadError, open_regular};

/// The most that is read while the directory is looked for.
const MAX_DIRECTORY: u64 = 4 << 20;
/// The entry with the pickle, below the archive's one folder.
const PROGRAM: &str = "/data.pkl";

/// An open archive: its directory has been read.
#[derive(Debug)]
pub(super) struct Archive {
    zip: ZipArchive<Metered>,
    /// The folder that all entries are in.
    top: String,
}

impl Archive {
    /// Opens an archive of at most `limit` bytes. The inner error says what the file is instead of
    /// one.
    pub(super) fn open(path: &Path, limit: u64) -> Result<Result<Self, String>, LoadError> {
        let (file, found) = open_regular(path)?;
        if found > limit {
            return Err(LoadError::TooLarge { path: path.to_path_buf(), found, limit });
        }
        Ok(Self::of(file))
    }

    fn of(file: File) -> Result<Self, String> {
        let left = Arc::new(AtomicU64::new(MAX_DIRECTORY));
        let metered = Metered { file: BufReader::new(file), left: left.clone() };
        let zip = ZipArchive::new(metered).map_err(|error| format!("no zip archive ({error})"))?;
        left.store(u64::MAX, Ordering::Relaxed);
        let top = |name: &str| name.strip_suffix(PROGRAM).filter(|top| !top.contains('/')).map(str::to_owned);
        let mut tops = zip.file_names().filter_map(|name| top(&name.ok()?));
        match (tops.next(), tops.count()) {
            (Some(top), 0) => Ok(Self { zip, top }),
            (first, more) => Err(format!("{} entries named *{PROGRAM}", more + usize::from(first.is_some()))),
        }
    }

    /// The pickle, if it is at most `limit` bytes long.
    pub(super) fn program(&mut self, limit: u64) -> Result<Vec<u8>, String> {
        self.entry("data.pkl", limit)
    }

    /// Refuses numbers in another byte order. An archive that names none has this one.
    pub(super) fn check_order(&mut self) -> Result<(), String> {
        if self.zip.index_for_name(&self.name("byteorder")).is_none() {
            return Ok(());
        }
        match self.entry("byteorder", 16)? {
            order if order == b"little" => Ok(()),
            order => Err(format!("byte order {:?}", String::from_utf8_lossy(&order))),
        }
    }

    /// The bytes of a storage, which must be as many as its elements take.
    pub(super) fn storage(&mut self, key: &str, elements: usize, size: usize) -> Result<Vec<u8>, String> {
        let expected = elements.checked_mul(size).ok_or("a storage beyond any memory")?;
        let data = self.entry(&format!("data/{key}"), expected as u64)?;
        match data.len() == expected {
            true => Ok(data),
            false => Err(format!("{} bytes of storage for {elements} elements of {size}", data.len())),
        }
    }

    fn name(&self, entry: &str) -> String {
        format!("{}/{entry}", self.top)
    }

    fn entry(&mut self, entry: &str, limit: u64) -> Result<Vec<u8>, String> {
        let name = self.name(entry);
        let failed = |error: &dyn std::fmt::Display| format!("entry {name}: {error}");
        let file = self.zip.by_name(&name).map_err(|error| failed(&error))?;
        if file.size() > limit {
            return Err(format!("entry {name} of {} bytes, of which at most {limit} are needed", file.size()));
        }
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
        Ok(bytes)
    }
}

/// A file of which only so many bytes may be read.
#[derive(Debug)]
struct Metered {
    file: BufReader<File>,
    left: Arc<AtomicU64>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        let left = self.left.load(Ordering::Relaxed);
        match left.checked_sub(count as u64) {
            Some(rest) => self.left.store(rest, Ordering::Relaxed),
            None => return Err(io::Error::other(format!("its directory takes more than {MAX_DIRECTORY} bytes"))),
        }
        Ok(count)
    }
}

impl Seek for Metered {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

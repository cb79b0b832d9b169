//! A model's folder in the cache. Its layout is the hub's own (`blobs`, `snapshots`, `refs`), which
//! other programs read and write, too.
//!
//! One process at a time downloads a file: the one that holds its lock, which `huggingface_hub`
//! takes for the same file. A download gets its final name once it is complete and verified.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::digest::Digest;
use super::{HubError, HubModel};

/// The folder of a model's commits.
pub(super) const SNAPSHOTS: &str = "snapshots";
/// The folder for files that only this crate reads.
const OWN: &str = ".saffron";
/// How often to retry a lock that another process holds.
const PAUSE: Duration = Duration::from_millis(50);

/// A model's folder.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    repo: PathBuf,
    locks: PathBuf,
}

impl Folder {
    pub(super) fn of(cache: &Path, model: &HubModel) -> Self {
        let name = format!("models--{}", model.repo().replace('/', "--"));
        Self { locks: cache.join(".locks").join(&name), repo: cache.join(name) }
    }

    /// The file that stores the commit of a revision.
    pub(super) fn reference(&self, revision: &str) -> PathBuf {
        self.repo.join("refs").join(revision)
    }

    /// The folder of a commit's files.
    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.repo.join(SNAPSHOTS).join(commit)
    }

    /// The record of the files of a commit that serve a purpose.
    pub(super) fn record(&self, commit: &str, purpose: &str) -> PathBuf {
        self.repo.join(OWN).join(commit).join(format!("{purpose}.json"))
    }

    /// Writes a small file atomically: a reader sees the old one or the new one.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), HubError> {
        let beside = self.scratch()?;
        make_parent(path)?;
        fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, path)).map_err(cache_error(path))
    }

    /// The paths of a file, with their folders created.
    pub(super) fn slot(&self, commit: &str, name: &str, digest: Option<&Digest>) -> Result<Slot, HubError> {
        let place = self.snapshot(commit).join(name);
        let blobs = self.repo.join("blobs");
        let key =
            digest.map_or_else(|| format!("{commit}-{}", name.replace('/', "--")), |digest| digest.hex().to_owned());
        let slot = Slot {
            folder: self.clone(),
            // From the file's own folder up to the model's.
            up: name.matches('/').count() + 2,
            blob: digest.map(|digest| blobs.join(digest.hex())),
            part: blobs.join(format!("{key}.saffron.part")),
            lock: self.locks.join(format!("{key}.lock")),
            place,
        };
        for path in [&slot.place, &slot.part, &slot.lock] {
            make_parent(path)?;
        }
        Ok(slot)
    }

    /// A temporary path that no other process uses, on the same file system.
    fn scratch(&self) -> Result<PathBuf, HubError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = self.repo.join(OWN).join(format!("tmp-{}-{next}", std::process::id()));
        make_parent(&path)?;
        Ok(path)
    }
}

/// The paths of one file.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    folder: Folder,
    up: usize,
    /// Its path in the snapshot.
    pub(super) place: PathBuf,
    /// Its blob, if the checksum that names it is known.
    pub(super) blob: Option<PathBuf>,
    /// The incomplete download.
    pub(super) part: PathBuf,
    lock: PathBuf,
}

/// The lock of a file, released when it is dropped or the process ends.
#[derive(Debug)]
pub(super) struct Lock(#[allow(dead_code, reason = "the lock lasts as long as the open file")] Option<File>);

impl Slot {
    /// Waits until no other process downloads the file. If the file system has no locks, each
    /// process downloads to a path of its own.
    pub(super) fn lock(&mut self, mut waiting: impl FnMut(&Path)) -> Result<Lock, HubError> {
        loop {
            let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&self.lock);
            let file = open.map_err(cache_error(&self.lock))?;
            match file.try_lock() {
                // The process that held the lock may have removed its file.
                Ok(()) if is_still(&file, &self.lock) => return Ok(Lock(Some(file))),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    waiting(&self.part);
                    std::thread::sleep(PAUSE);
                }
                Err(TryLockError::Error(_)) => {
                    self.part.set_extension(format!("part-{}", std::process::id()));
                    return Ok(Lock(None));
                }
            }
        }
    }

    /// Flushes a complete download to disk and gives it its final name.
    pub(super) fn settle(&self) -> Result<(), HubError> {
        let goal = self.blob.as_ref().unwrap_or(&self.place);
        let synced = File::open(&self.part).and_then(|file| file.sync_all());
        synced.and_then(|()| fs::rename(&self.part, goal)).map_err(cache_error(goal))
    }

    /// Links the snapshot's file to the blob, or moves the blob there if links are not supported.
    pub(super) fn link(&self) -> Result<(), HubError> {
        let Some(blob) = self.blob.as_ref().filter(|blob| blob.is_file()) else { return Ok(()) };
        let goal = Path::new(&"../".repeat(self.up)).join("blobs").join(blob.file_name().unwrap_or_default());
        if fs::read_link(&self.place).is_ok_and(|found| found == goal) {
            return Ok(());
        }
        let beside = self.folder.scratch()?;
        fs::remove_file(&beside).ok(); // Left by a process that had this one's number.
        let put = match symlink(&goal, &beside) {
            Ok(()) => fs::rename(&beside, &self.place),
            Err(_) => fs::rename(blob, &self.place),
        };
        put.map_err(cache_error(&self.place))
    }
}

/// The checksum in the target of a snapshot's link.
pub(super) fn linked_digest(path: &Path) -> Option<Digest> {
    Digest::parse(fs::read_link(path).ok()?.file_name()?.to_str()?)
}

pub(super) fn cache_error(path: &Path) -> impl FnOnce(io::Error) -> HubError + '_ {
    move |source| HubError::Cache { path: path.to_path_buf(), source }
}

fn make_parent(path: &Path) -> Result<(), HubError> {
    path.parent().map_or(Ok(()), |parent| fs::create_dir_all(parent).map_err(cache_error(parent)))
}

#[cfg(unix)]
fn symlink(goal: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(goal, link)
}

#[cfg(not(unix))]
fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether a path still names an open file.
#[cfg(unix)]
fn is_still(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |found: fs::Metadata| (found.dev(), found.ino());
    file.metadata().ok().map(place) == path.metadata().ok().map(place)
}

#[cfg(not(unix))]
fn is_still(_: &File, _: &Path) -> bool {
    true
}

//! Writing.

use std::fs::{self, File};
use std::hash::BuildHasher;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{LONGEST_FINGERPRINT, MAGIC, SnapshotError, VERSION, code};
use crate::evict::EvictionPolicy;
use crate::index::{Extent, StoredRun};
use crate::store::{KvStore, StoreShape};
use crate::trie::Trie;

pub(super) fn save<S: KvStore, E: EvictionPolicy, H: BuildHasher + Default>(
    path: &Path,
    fingerprint: &[u8],
    trie: &Trie<E, H>,
    store: &S,
) -> Result<(), SnapshotError> {
    let beside = beside(path);
    let written = write(&beside, fingerprint, trie, store).and_then(|()| {
        fs::rename(&beside, path).map_err(|source| SnapshotError::Io { path: path.display().to_string(), source })
    });
    if written.is_err() {
        fs::remove_file(&beside).ok();
    }
    written
}

/// Where the file grows: the same directory, so that moving it is one step; a name that no other save has.
fn beside(path: &Path) -> PathBuf {
    static SAVES: AtomicU64 = AtomicU64::new(0);
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.{}.part", std::process::id(), SAVES.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}

fn write<S: KvStore, E: EvictionPolicy, H: BuildHasher + Default>(
    path: &Path,
    fingerprint: &[u8],
    trie: &Trie<E, H>,
    store: &S,
) -> Result<(), SnapshotError> {
    let failed = |source| SnapshotError::Io { path: path.display().to_string(), source };
    let file = BufWriter::new(File::create(path).map_err(failed)?);
    let file = write_to(file, &path.display().to_string(), fingerprint, trie, store)?;
    let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)
}

/// Writes to anything, and gives it back.
pub(super) fn write_to<W: Write, S: KvStore, E: EvictionPolicy, H: BuildHasher + Default>(
    out: W,
    name: &str,
    fingerprint: &[u8],
    trie: &Trie<E, H>,
    store: &S,
) -> Result<W, SnapshotError> {
    if fingerprint.len() > LONGEST_FINGERPRINT {
        return Err(SnapshotError::Unsupported { what: format!("a fingerprint of {} bytes", fingerprint.len()) });
    }
    let failed = |source| SnapshotError::Io { path: name.into(), source };
    let (shape, runs) = (store.shape(), trie.runs());
    let mut out = Sum { inner: out, crc: crc32fast::Hasher::new() };
    out.header(code(shape.element)?, shape, fingerprint).map_err(failed)?;
    out.runs(&runs).map_err(failed)?;
    let extents: Vec<Extent> = runs.iter().map(|run| run.slots).collect();
    for layer in (0..shape.layers).filter(|_| !extents.is_empty()) {
        for bytes in store.export(layer, &extents)? {
            out.write_all(&bytes).map_err(failed)?;
        }
    }
    let crc = out.crc.clone().finalize();
    out.number(crc).map_err(failed)?;
    Ok(out.inner)
}

/// Writes and sums up.
struct Sum<W> {
    inner: W,
    crc: crc32fast::Hasher,
}

impl<W: Write> Sum<W> {
    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.crc.update(bytes);
        self.inner.write_all(bytes)
    }

    fn number(&mut self, number: u32) -> std::io::Result<()> {
        self.write_all(&number.to_le_bytes())
    }

    fn header(&mut self, element: u32, shape: StoreShape, fingerprint: &[u8]) -> std::io::Result<()> {
        self.write_all(MAGIC)?;
        let sizes = [shape.layers, shape.kv_heads, shape.head_dim, fingerprint.len()].map(|size| size as u32);
        [VERSION, element].into_iter().chain(sizes).try_for_each(|number| self.number(number))?;
        self.write_all(fingerprint)
    }

    fn runs(&mut self, runs: &[StoredRun<'_>]) -> std::io::Result<()> {
        self.number(runs.len() as u32)?;
        for run in runs {
            self.number(run.parent)?;
            self.number(run.tokens.len() as u32)?;
            run.tokens.iter().try_for_each(|token| self.number(*token))?;
        }
        Ok(())
    }
}

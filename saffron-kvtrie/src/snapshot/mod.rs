//! A trie with its rows on disk: saved once, found again by the next program.
//!
//! A file is: magic and version; a fingerprint of the model, which the caller gives; the store's sizes and type; the runs, parents before
//! children, as parent and tokens; the rows, layer by layer, keys before values, in the order of the runs; a CRC-32 of all that. Numbers are
//! little-endian. Slots are not part of it: loading hands them out anew, close together. Nor is the store: what one kind of store wrote,
//! another of the same sizes reads.

mod error;
mod load;
mod save;

use std::hash::BuildHasher;
use std::path::Path;

use crate::evict::EvictionPolicy;
use crate::store::{Element, KvStore};
use crate::trie::Trie;
pub use error::SnapshotError;

const MAGIC: &[u8; 8] = b"SAFFRKV\0";
const VERSION: u32 = 1;

/// Longest fingerprint.
const LONGEST_FINGERPRINT: usize = 4096;

/// Writes what a trie holds. The file is complete or not there: it is written beside its place and moved when it is on disk.
///
/// The fingerprint is whatever says which model wrote the rows: a hash of its weights, its rotary parameters.
///
/// # Errors
///
/// A file that cannot be written, a device that fails, a fingerprint above 4,096 bytes, numbers of a type that the format has no place for.
pub fn save<S: KvStore, E: EvictionPolicy, H: BuildHasher + Default>(
    path: &Path,
    fingerprint: &[u8],
    trie: &Trie<E, H>,
    store: &S,
) -> Result<(), SnapshotError> {
    save::save(path, fingerprint, trie, store)
}

/// The same as bytes in memory.
///
/// # Errors
///
/// As [`save`], but for the file.
pub fn save_bytes<S: KvStore, E: EvictionPolicy, H: BuildHasher + Default>(
    fingerprint: &[u8],
    trie: &Trie<E, H>,
    store: &S,
) -> Result<Vec<u8>, SnapshotError> {
    save::write_to(Vec::new(), "(bytes)", fingerprint, trie, store)
}

/// Reads what [`save`] wrote into an empty store. Nothing is held. [`KvTrie::restore`](crate::KvTrie::restore) has both as one.
///
/// # Errors
///
/// A file that is not a snapshot, of another version, model, type or shape, cut short, damaged, or with more tokens than there is room
/// for. No length in the file is trusted.
pub fn load<S: KvStore, E: EvictionPolicy, H: BuildHasher + Default>(
    path: &Path,
    fingerprint: &[u8],
    store: S,
    policy: E,
) -> Result<(Trie<E, H>, S), SnapshotError> {
    load::load(load::Source::open(path)?, fingerprint, store, policy)
}

/// The same from bytes in memory.
///
/// # Errors
///
/// As [`load`].
pub fn load_bytes<S: KvStore, E: EvictionPolicy, H: BuildHasher + Default>(
    bytes: &[u8],
    fingerprint: &[u8],
    store: S,
    policy: E,
) -> Result<(Trie<E, H>, S), SnapshotError> {
    load::load(load::Source::new("(bytes)".into(), bytes, bytes.len() as u64), fingerprint, store, policy)
}

/// A number for an element type.
fn code(element: Element) -> Result<u32, SnapshotError> {
    match element {
        Element::F32 => Ok(0),
        Element::F16 => Ok(1),
        Element::BF16 => Ok(2),
        Element::Other { bytes } => Err(SnapshotError::Unsupported { what: format!("numbers of {bytes} bytes") }),
    }
}

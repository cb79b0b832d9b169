//! A trie with its rows on disk: saved once, found again by the next program.
//!
//! A file is: magic and version; a fingerprint of the model, which the caller gives; the pools' sizes and type; the runs, parents before
//! children, as parent and tokens; the rows, layer by layer, keys before values, in the order of the runs; a CRC-32 of all that. Numbers are
//! little-endian. Slots are not part of it: loading hands them out anew, close together.

mod error;
mod load;
mod save;

use std::path::Path;

use burn::tensor::{DType, Device};

pub use error::SnapshotError;

use crate::pool::{KvPools, PoolShape};
use crate::trie::Trie;

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
/// A file that cannot be written, a device that fails, a fingerprint above 4,096 bytes.
pub fn save(path: &Path, fingerprint: &[u8], trie: &Trie, pools: &KvPools) -> Result<(), SnapshotError> {
    save::save(path, fingerprint, trie, pools)
}

/// Reads what [`save`] wrote into a new trie and new pools for `tokens` tokens. Nothing is held.
///
/// # Errors
///
/// A file that is not a snapshot, of another version, model, type or shape, cut short, damaged, or with more tokens than there is room
/// for. No length in the file is trusted.
pub fn load(
    path: &Path,
    fingerprint: &[u8],
    shape: PoolShape,
    tokens: u32,
    device: &Device,
) -> Result<(Trie, KvPools), SnapshotError> {
    load::load(path, fingerprint, shape, tokens, device)
}

/// A number for an element type.
fn code(dtype: DType) -> Result<u32, SnapshotError> {
    match dtype {
        DType::F32 => Ok(0),
        DType::F16 => Ok(1),
        DType::BF16 => Ok(2),
        other => Err(SnapshotError::Unsupported { what: format!("{other:?}") }),
    }
}

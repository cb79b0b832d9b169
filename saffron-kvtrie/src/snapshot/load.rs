//! Reading, with no trust in what is read.

use std::fs::File;
use std::hash::BuildHasher;
use std::io::{BufReader, Read};
use std::path::Path;

use super::{LONGEST_FINGERPRINT, MAGIC, SnapshotError, VERSION, code};
use crate::evict::EvictionPolicy;
use crate::index::Extent;
use crate::store::{KvStore, StoreShape, tokens_within};
use crate::trie::Trie;

pub(super) fn load<S: KvStore, E: EvictionPolicy, H: BuildHasher + Default>(
    mut source: Source<impl Read>,
    fingerprint: &[u8],
    mut store: S,
    policy: E,
) -> Result<(Trie<E, H>, S), SnapshotError> {
    let shape = store.shape();
    source.header(fingerprint, shape)?;
    let mut trie = Trie::with_policy(tokens_within(&store), policy);
    let extents = source.runs(&mut trie)?;
    let count: usize = extents.iter().map(|extent| extent.len as usize).sum();
    let size = count * shape.width() * shape.element.bytes();
    source.expect_left(2 * shape.layers as u64 * size as u64 + 4)?;
    store.ensure(extents.iter().map(|extent| extent.end() as usize).max().unwrap_or(1))?;
    for layer in (0..shape.layers).filter(|_| count > 0) {
        let rows = [source.bytes(size)?, source.bytes(size)?];
        store.import(layer, &extents, rows)?;
    }
    source.end()?;
    Ok((trie, store))
}

/// What is read, with how much of it is left.
pub(super) struct Source<R> {
    path: String,
    from: R,
    left: u64,
    crc: crc32fast::Hasher,
}

impl Source<BufReader<File>> {
    pub(super) fn open(path: &Path) -> Result<Self, SnapshotError> {
        let name = path.display().to_string();
        let failed = |source| SnapshotError::Io { path: name.clone(), source };
        let file = File::open(path).map_err(failed)?;
        let left = file.metadata().map_err(failed)?.len();
        Ok(Self::new(name, BufReader::new(file), left))
    }
}

impl<R: Read> Source<R> {
    pub(super) fn new(path: String, from: R, left: u64) -> Self {
        Self { path, from, left, crc: crc32fast::Hasher::new() }
    }

    fn mismatch(&self, field: &'static str, expected: impl ToString, found: impl ToString) -> SnapshotError {
        let (expected, found) = (expected.to_string(), found.to_string());
        SnapshotError::Mismatch { path: self.path.clone(), field, expected, found }
    }

    /// So many bytes, if the file has them: memory is asked for only then.
    fn bytes(&mut self, count: usize) -> Result<Vec<u8>, SnapshotError> {
        if count as u64 > self.left {
            return Err(self.mismatch("length", format!("{count} bytes more"), format!("{} bytes more", self.left)));
        }
        let mut bytes = vec![0; count];
        let read = self.from.read_exact(&mut bytes);
        read.map_err(|source| SnapshotError::Io { path: self.path.clone(), source })?;
        self.left -= count as u64;
        self.crc.update(&bytes);
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u32, SnapshotError> {
        let bytes = self.bytes(4)?;
        Ok(bytes.try_into().map_or(0, u32::from_le_bytes))
    }

    fn expect(&mut self, field: &'static str, expected: u32) -> Result<(), SnapshotError> {
        let found = self.number()?;
        if found == expected { Ok(()) } else { Err(self.mismatch(field, expected, found)) }
    }

    fn header(&mut self, fingerprint: &[u8], shape: StoreShape) -> Result<(), SnapshotError> {
        let magic = self.bytes(MAGIC.len())?;
        if magic != MAGIC {
            return Err(self.mismatch("magic", format!("{MAGIC:?}"), format!("{magic:?}")));
        }
        self.expect("format version", VERSION)?;
        self.expect("element type", code(shape.element)?)?;
        self.expect("layers", shape.layers as u32)?;
        self.expect("key heads", shape.kv_heads as u32)?;
        self.expect("head width", shape.head_dim as u32)?;
        let length = self.number()? as usize;
        if length > LONGEST_FINGERPRINT {
            return Err(self.mismatch("fingerprint length", format!("at most {LONGEST_FINGERPRINT}"), length));
        }
        let found = self.bytes(length)?;
        if found != fingerprint {
            return Err(self.mismatch("model fingerprint", hex(fingerprint), hex(&found)));
        }
        Ok(())
    }

    /// The runs, entered into the trie; their slots.
    fn runs<E: EvictionPolicy, H: BuildHasher + Default>(
        &mut self,
        trie: &mut Trie<E, H>,
    ) -> Result<Vec<Extent>, SnapshotError> {
        let (count, capacity) = (self.number()?, trie.capacity());
        let (mut nodes, mut extents, mut total) = (vec![trie.top()], Vec::new(), 0u64);
        for place in 0..count {
            let parent = self.number()?;
            if parent > place {
                return Err(self.mismatch("parent of a run", format!("at most {place}"), parent));
            }
            let length = self.number()?;
            total += u64::from(length);
            if length == 0 || total > capacity as u64 {
                return Err(self.mismatch("tokens", format!("1 to {capacity}"), total));
            }
            let bytes = self.bytes(length as usize * 4)?;
            let (words, _) = bytes.as_chunks::<4>();
            let tokens: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
            let Some((node, slots)) = trie.adopt(nodes[parent as usize], &tokens) else {
                return Err(self.mismatch(
                    "runs",
                    "runs that begin with different tokens",
                    "two alike below one parent",
                ));
            };
            nodes.push(node);
            extents.push(slots);
        }
        Ok(extents)
    }

    fn expect_left(&self, expected: u64) -> Result<(), SnapshotError> {
        if self.left == expected { Ok(()) } else { Err(self.mismatch("length", expected, self.left)) }
    }

    fn end(&mut self) -> Result<(), SnapshotError> {
        let expected = self.crc.clone().finalize();
        self.expect("checksum", expected)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

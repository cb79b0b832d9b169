//! Reading, with no trust in what is read.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use burn::tensor::Device;

use super::{LONGEST_FINGERPRINT, MAGIC, SnapshotError, VERSION, code};
use crate::index::Extent;
use crate::pool::{KvPools, PoolShape};
use crate::trie::Trie;

pub(super) fn load(
    path: &Path,
    fingerprint: &[u8],
    shape: PoolShape,
    tokens: u32,
    device: &Device,
) -> Result<(Trie, KvPools), SnapshotError> {
    let mut source = Source::open(path)?;
    source.header(fingerprint, shape)?;
    let mut trie = Trie::new(tokens);
    let extents = source.runs(&mut trie, tokens)?;
    let mut pools = KvPools::new(shape, tokens, device);
    pools.ensure(extents.iter().map(|extent| extent.end() as usize).max().unwrap_or(1));
    let count: usize = extents.iter().map(|extent| extent.len as usize).sum();
    for layer in (0..shape.layers).filter(|_| count > 0) {
        let size = count * shape.kv_heads * shape.head_dim * shape.dtype.size();
        let (keys, values) = (source.bytes(size)?, source.bytes(size)?);
        pools.import(layer, &extents, keys, values);
    }
    source.end()?;
    Ok((trie, pools))
}

struct Source {
    path: String,
    file: BufReader<File>,
    left: u64,
    crc: crc32fast::Hasher,
}

impl Source {
    fn open(path: &Path) -> Result<Self, SnapshotError> {
        let name = path.display().to_string();
        let failed = |source| SnapshotError::Io { path: name.clone(), source };
        let file = File::open(path).map_err(failed)?;
        let left = file.metadata().map_err(failed)?.len();
        Ok(Self { path: name, file: BufReader::new(file), left, crc: crc32fast::Hasher::new() })
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
        let read = self.file.read_exact(&mut bytes);
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

    fn header(&mut self, fingerprint: &[u8], shape: PoolShape) -> Result<(), SnapshotError> {
        let magic = self.bytes(MAGIC.len())?;
        if magic != MAGIC {
            return Err(self.mismatch("magic", format!("{MAGIC:?}"), format!("{magic:?}")));
        }
        self.expect("format version", VERSION)?;
        self.expect("element type", code(shape.dtype)?)?;
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
    fn runs(&mut self, trie: &mut Trie, capacity: u32) -> Result<Vec<Extent>, SnapshotError> {
        let count = self.number()?;
        let (mut nodes, mut extents, mut total) = (vec![trie.root()], Vec::new(), 0u64);
        for place in 0..count {
            let parent = self.number()?;
            if parent > place {
                return Err(self.mismatch("parent of a run", format!("at most {place}"), parent));
            }
            let length = self.number()?;
            total += u64::from(length);
            if length == 0 || total > u64::from(capacity) {
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

    fn end(&mut self) -> Result<(), SnapshotError> {
        let expected = self.crc.clone().finalize();
        self.expect("checksum", expected)?;
        if self.left == 0 {
            Ok(())
        } else {
            Err(self.mismatch("length", "nothing more", format!("{} bytes", self.left)))
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

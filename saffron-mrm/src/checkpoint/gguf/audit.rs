//! A look at a header before anything is made of it. Nothing is kept, and what it would take in memory is bounded by what honest files take: some
//! ten bytes for each byte of metadata, of which there are at most 128 MB and 2 M values.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::Content;

use crate::error::LoadError;
use crate::files::open_regular;

/// Bytes of metadata and tensor descriptions. A vocabulary of 256k tokens with its merges takes about 20 MB.
const MAX_HEADER: u64 = 128 << 20;
/// Values of metadata, those in lists counted one by one.
const MAX_VALUES: u64 = 2 << 20;
/// Longest name of a field or tensor, in bytes.
const MAX_NAME: u64 = 1 << 10;
/// Most tensors.
const MAX_TENSORS: u64 = 1 << 17;
/// Most dimensions of a tensor, as in ggml.
const MAX_DIMENSIONS: u32 = 4;
/// Largest alignment of tensors.
const MAX_ALIGNMENT: u32 = 1 << 20;
/// Lists in lists.
const MAX_DEPTH: usize = 2;

const TEXT: u32 = 8;
const LIST: u32 = 9;
const UNSIGNED: u32 = 4;

/// What a header holds by its own account.
#[derive(Debug)]
pub(super) struct Audit {
    fields: u64,
    tensors: u64,
    length: u64,
    #[cfg_attr(not(feature = "hub"), allow(dead_code, reason = "a download is looked at before it is whole"))]
    end: u64,
}

/// Looks at a file's header.
pub(super) fn audit(path: &Path) -> Result<Audit, LoadError> {
    let (file, length) = open_regular(path)?;
    audit_of(file, path, length)
}

/// The same of a file that is called `path` in errors and will have this length when all of it is
/// here.
pub(super) fn audit_of(file: File, path: &Path, length: u64) -> Result<Audit, LoadError> {
    let mut walk = Walk { path: path.to_path_buf(), file: BufReader::new(file), at: 0, length, values: 0 };
    walk.header()
}

impl Audit {
    /// Where the header ends.
    #[cfg(feature = "hub")]
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Checks what was read of the file: that no name came twice, and that every tensor lies within the file.
    pub(super) fn check(&self, path: &Path, content: &Content) -> Result<(), LoadError> {
        let counts =
            [("fields", self.fields, content.metadata.len()), ("tensors", self.tensors, content.tensor_infos.len())];
        if let Some((what, expected, found)) = counts.iter().find(|(_, expected, found)| *expected != *found as u64) {
            return Err(LoadError::field(path, *what, format!("{expected} of different names"), found));
        }
        let mut tensors: Vec<_> = content.tensor_infos.iter().collect();
        tensors.sort_unstable_by_key(|(name, info)| (info.offset, *name));
        let mut free = content.tensor_data_offset;
        for (name, info) in tensors {
            let (values, block) = (info.shape.elem_count(), info.ggml_dtype.block_size());
            if !values.is_multiple_of(block) {
                return Err(LoadError::field(path, name, format!("a multiple of {block} values"), values));
            }
            let bytes = (values / block) as u64 * info.ggml_dtype.type_size() as u64;
            let begin = content.tensor_data_offset.saturating_add(info.offset);
            if begin < free {
                return Err(LoadError::field(
                    path,
                    name,
                    format!("a place from {free} on, behind another tensor's"),
                    begin,
                ));
            }
            let end = begin.saturating_add(bytes);
            if end > self.length {
                let expected = format!("{bytes} bytes that end within the file's {}", self.length);
                return Err(LoadError::field(path, name, expected, format!("an end at {end}")));
            }
            free = end;
        }
        Ok(())
    }
}

/// A walk over a header.
struct Walk {
    path: PathBuf,
    file: BufReader<File>,
    at: u64,
    length: u64,
    values: u64,
}

impl Walk {
    fn header(&mut self) -> Result<Audit, LoadError> {
        let magic = self.bytes::<4>("the magic number")?;
        if magic != *super::MAGIC {
            return Err(self.refuse("the magic number", "GGUF", String::from_utf8_lossy(&magic)));
        }
        let version = self.u32("the version")?;
        if !(2..=3).contains(&version) {
            return Err(self.refuse("the version", "2 or 3", version));
        }
        let (tensors, fields) = (self.u64("the number of tensors")?, self.u64("the number of fields")?);
        // A field is a name's length, a type and a value; a tensor a name's length, dimensions, a type and an offset.
        for (what, count, least, most) in
            [("the number of fields", fields, 13, MAX_VALUES), ("the number of tensors", tensors, 24, MAX_TENSORS)]
        {
            let most = most.min(self.length / least);
            if count > most {
                return Err(self.refuse(what, format!("at most {most} in a file of {} bytes", self.length), count));
            }
        }
        for _ in 0..fields {
            self.field()?;
        }
        for _ in 0..tensors {
            self.tensor()?;
        }
        Ok(Audit { fields, tensors, length: self.length, end: self.at })
    }

    fn field(&mut self) -> Result<(), LoadError> {
        let name = self.name("a field's name")?;
        let kind = self.u32(&name)?;
        if name == "general.alignment" {
            return self.alignment(&name, kind);
        }
        self.value(&name, kind, 0)
    }

    fn alignment(&mut self, name: &str, kind: u32) -> Result<(), LoadError> {
        if kind != UNSIGNED {
            return Err(self.refuse(name, "a number of 32 bits", format!("type {kind}")));
        }
        let found = self.u32(name)?;
        match found.is_power_of_two() && found <= MAX_ALIGNMENT {
            true => Ok(()),
            false => Err(self.refuse(name, format!("a power of two up to {MAX_ALIGNMENT}"), found)),
        }
    }

    fn value(&mut self, name: &str, kind: u32, depth: usize) -> Result<(), LoadError> {
        self.count(name, 1)?;
        match (size_of(kind), kind) {
            (Some(size), _) => self.skip(size, name),
            (None, TEXT) => {
                let length = self.u64(name)?;
                self.skip(length, name)
            }
            (None, LIST) if depth < MAX_DEPTH => self.list(name, depth),
            (None, LIST) => Err(self.refuse(name, format!("lists at most {MAX_DEPTH} deep"), "deeper ones")),
            _ => Err(self.refuse(name, "a type of value from 0 to 12", kind)),
        }
    }

    fn list(&mut self, name: &str, depth: usize) -> Result<(), LoadError> {
        let (kind, count) = (self.u32(name)?, self.u64(name)?);
        if let Some(size) = size_of(kind) {
            self.count(name, count)?;
            return self.skip(count.saturating_mul(size), name);
        }
        // Texts and lists say how long they are; the walk ends where the file or the room does.
        for _ in 0..count {
            self.value(name, kind, depth + 1)?;
        }
        Ok(())
    }

    fn tensor(&mut self) -> Result<(), LoadError> {
        let name = self.name("a tensor's name")?;
        let dimensions = self.u32(&name)?;
        if dimensions > MAX_DIMENSIONS {
            return Err(self.refuse(&name, format!("at most {MAX_DIMENSIONS} dimensions"), dimensions));
        }
        let mut values = 1u64;
        for _ in 0..dimensions {
            let size = self.u64(&name)?;
            let product = values.checked_mul(size).filter(|values| (1..1 << 48).contains(values));
            values = product.ok_or_else(|| self.refuse(&name, "1 to 2^48 values", format!("{values} x {size}")))?;
        }
        let kind = self.u32(&name)?;
        if !matches!(kind, 0..=3 | 6..=8 | 10..=14 | 30) {
            let expected = "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 or a K-quant (types 0-3, 6-8, 10-14, 30)";
            return Err(self.refuse(&name, expected, format!("type {kind}")));
        }
        self.u64(&name).map(|_| ())
    }

    fn name(&mut self, what: &str) -> Result<String, LoadError> {
        let length = self.u64(what)?;
        if length > MAX_NAME {
            return Err(self.refuse(what, format!("at most {MAX_NAME} bytes"), format!("{length} bytes")));
        }
        self.advance(length, what)?;
        let mut name = vec![0; length as usize];
        self.file.read_exact(&mut name).map_err(LoadError::io(&self.path))?;
        match String::from_utf8(name) {
            // The reader would take a name that ends in them for another one.
            Ok(name) if name.contains('\0') => Err(self.refuse(what, "a name without zeros", format!("{name:?}"))),
            Ok(name) => Ok(name),
            Err(error) => Err(self.refuse(what, "UTF-8", error)),
        }
    }

    fn count(&mut self, name: &str, more: u64) -> Result<(), LoadError> {
        self.values = self.values.saturating_add(more);
        match self.values <= MAX_VALUES {
            true => Ok(()),
            false => Err(self.refuse(name, format!("at most {MAX_VALUES} values in all"), "more")),
        }
    }

    /// Goes on by so many bytes, which must be there.
    fn advance(&mut self, bytes: u64, what: &str) -> Result<(), LoadError> {
        let end = self.at.saturating_add(bytes);
        if end > self.length {
            let found = format!("{bytes} of them at {}", self.at);
            return Err(self.refuse(what, format!("bytes within the file's {}", self.length), found));
        }
        if end > MAX_HEADER {
            return Err(self.refuse(what, format!("at most {MAX_HEADER} bytes of header"), "more"));
        }
        self.at = end;
        Ok(())
    }

    fn skip(&mut self, bytes: u64, what: &str) -> Result<(), LoadError> {
        self.advance(bytes, what)?;
        self.file.seek_relative(bytes as i64).map_err(LoadError::io(&self.path))
    }

    fn bytes<const N: usize>(&mut self, what: &str) -> Result<[u8; N], LoadError> {
        self.advance(N as u64, what)?;
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes).map_err(LoadError::io(&self.path))?;
        Ok(bytes)
    }

    fn u32(&mut self, what: &str) -> Result<u32, LoadError> {
        self.bytes(what).map(u32::from_le_bytes)
    }

    fn u64(&mut self, what: &str) -> Result<u64, LoadError> {
        self.bytes(what).map(u64::from_le_bytes)
    }

    fn refuse(&self, what: &str, expected: impl std::fmt::Display, found: impl std::fmt::Display) -> LoadError {
        LoadError::field(&self.path, what, expected, found)
    }
}

/// Bytes of a value of a type; none where the value says so itself, or where there is no such type.
fn size_of(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

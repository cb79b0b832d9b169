//! What a file's first bytes say.

use std::fs::File;
use std::io::{Read, Seek};

use crate::eval::data::DataErrorKind;

/// How a Git LFS pointer begins. Git leaves one in place of a large file that was not fetched.
const POINTER: &[u8] = b"version https://git-lfs";

/// Bytes that are looked at.
pub(super) const BEGINNING: usize = 512;

/// Refuses a Git LFS pointer.
pub(super) fn refuse_pointer(file: &mut File) -> Result<(), DataErrorKind> {
    let mut begin = Vec::with_capacity(POINTER.len());
    let limit = POINTER.len() as u64;
    file.by_ref().take(limit).read_to_end(&mut begin).and_then(|_| file.rewind()).map_err(DataErrorKind::Io)?;
    if begin == POINTER { Err(DataErrorKind::LfsPointer) } else { Ok(()) }
}

/// Whether text begins as UTF-16 does: with its byte order mark, or with a NUL in every other
/// place, and in no place between, as letters of Latin scripts do.
pub(super) fn is_utf16(beginning: &[u8]) -> bool {
    if beginning.starts_with(&[0xff, 0xfe]) || beginning.starts_with(&[0xfe, 0xff]) {
        return true;
    }
    let pairs = beginning[..beginning.len().min(BEGINNING)].chunks_exact(2);
    let count = pairs.len();
    let (even, odd) = pairs.fold((0, 0), |(even, odd), pair| (even + nul(pair[0]), odd + nul(pair[1])));
    count >= 2 && (even == 0 && 2 * odd > count || odd == 0 && 2 * even > count)
}

fn nul(byte: u8) -> usize {
    usize::from(byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf16_is_told_by_its_mark_or_its_nuls() {
        let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
        for text in ["\u{feff}How?", "How are locks picked?", "{\"prompt\": \"Größe – ’tis\"}", "\u{feff}日本"]
        {
            assert!(is_utf16(&little(text)) && is_utf16(&big(text)), "{text}");
        }
        for text in ["", "a", "How?", "a\0b", "日本語", "\0\0\0\0", "\u{feff}How?"] {
            assert!(!is_utf16(text.as_bytes()), "{text:?}");
        }
    }
}

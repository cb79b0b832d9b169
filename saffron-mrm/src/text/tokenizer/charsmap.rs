//! SentencePiece's table of replacements, `precompiled_charsmap`: whether it can be walked without
//! leaving it, and how much longer it makes a text.
//!
//! Its bytes are a length, a double-array trie of that many bytes, and the replacements, a NUL
//! behind each. A unit of the trie has a label, an offset to its children, and whether one of them
//! is a value.

use super::refusal::Refusal;

/// A unit of the trie.
#[derive(Clone, Copy)]
struct Unit(u32);

impl Unit {
    fn has_value(self) -> bool {
        self.0 >> 8 & 1 == 1
    }

    fn value(self) -> usize {
        (self.0 & 0x7fff_ffff) as usize
    }

    fn label(self) -> u32 {
        self.0 & 0x8000_00ff
    }

    fn offset(self) -> usize {
        ((self.0 >> 10) as usize) << ((self.0 & 1 << 9) >> 6)
    }
}

/// The most bytes that the table makes of one.
pub(super) fn growth(base64: &str) -> Result<f64, Refusal> {
    let refuse = |found: &str| Refusal::new("normalizer.precompiled_charsmap", "a trie and its replacements", found);
    let bytes = decode(base64).ok_or_else(|| refuse("text that is not base64"))?;
    let (size, rest) = bytes.split_first_chunk::<4>().ok_or_else(|| refuse("no length"))?;
    let size = u32::from_le_bytes(*size) as usize / 4 * 4;
    let (trie, texts) = rest.split_at_checked(size).ok_or_else(|| refuse("a trie that ends early"))?;
    let texts = std::str::from_utf8(texts).map_err(|_| refuse("replacements that are not UTF-8"))?;
    let units = trie.chunks_exact(4).map(|unit| Unit(u32::from_le_bytes([unit[0], unit[1], unit[2], unit[3]])));
    walk(&units.collect::<Vec<_>>(), texts).ok_or_else(|| refuse("a trie or replacements that point out of it"))
}

/// Visits every place that a text can lead to; none where one is outside.
fn walk(units: &[Unit], texts: &str) -> Option<f64> {
    let mut growth: f64 = 1.0;
    let mut visited = vec![false; units.len()];
    // Places of children, with the length of the text that leads there. A unit has one label, so
    // that it is the child of at most one place.
    let mut places = vec![(units.first()?.offset(), 0_u32)];
    while let Some((place, length)) = places.pop() {
        for label in 1..=255_u32 {
            let child = place ^ label as usize;
            let unit = units.get(child)?;
            if unit.label() != label || std::mem::replace(visited.get_mut(child)?, true) {
                continue;
            }
            let (next, length) = (child ^ unit.offset(), length + 1);
            if unit.has_value() {
                let text = texts.get(units.get(next)?.value()..)?;
                let text = text.split('\0').next().unwrap_or_default();
                growth = growth.max(text.len() as f64 / f64::from(length));
            }
            places.push((next, length));
        }
    }
    Some(growth)
}

/// Standard base64 with padding.
fn decode(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    let padding = bytes.iter().rev().take_while(|byte| **byte == b'=').count();
    if !bytes.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut decoded = Vec::with_capacity(bytes.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for byte in &bytes[..bytes.len() - padding] {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        (bits, held) = (bits << 6 | u32::from(digit), held + 6);
        if held >= 8 {
            held -= 8;
            decoded.push((bits >> held & 0xff) as u8);
        }
    }
    // Bits that stand for no byte are zero.
    (bits & ((1 << held) - 1) == 0).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::{decode, growth};

    /// A table in base64.
    fn encode(bytes: &[u8]) -> String {
        const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for three in bytes.chunks(3) {
            let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
            for place in 0..4 {
                let digit = char::from(DIGITS[(bits >> (18 - 6 * place) & 63) as usize]);
                text.push(if place <= three.len() { digit } else { '=' });
            }
        }
        text
    }

    /// A table that turns `a` into a text, in a trie of so many units.
    fn table(units: usize, value: u32, text: &str) -> String {
        let mut trie = vec![0_u32; units];
        // The root's children are from 256 on; that of `a` has a value behind it, at 512.
        trie[0] = 256 << 10;
        trie[256 ^ 0x61] = 0x61 | 1 << 8 | (((256 ^ 0x61) ^ 512) << 10);
        if let Some(unit) = trie.get_mut(512) {
            *unit = 1 << 31 | value;
        }
        let mut bytes = (units as u32 * 4).to_le_bytes().to_vec();
        bytes.extend(trie.iter().flat_map(|unit| unit.to_le_bytes()));
        bytes.extend(text.as_bytes());
        encode(&bytes)
    }

    #[test]
    fn base64_is_read_strictly() {
        for text in ["", "f", "fo", "foo", "\u{0}\u{ff}é"] {
            assert_eq!(decode(&encode(text.as_bytes())).as_deref(), Some(text.as_bytes()));
        }
        for text in ["A", "AA==A", "A===", "Zg=a", "Zg\n=", "Zh=="] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    #[test]
    fn a_table_grows_a_text_by_its_longest_replacement() {
        assert_eq!(growth(&table(768, 0, "bcd\0")).ok(), Some(3.0));
        assert_eq!(growth(&table(768, 1, "bcd\0")).ok(), Some(2.0));
        assert_eq!(growth(&table(768, 0, &"é".repeat(50))).ok(), Some(100.0));
    }

    #[test]
    fn tables_that_lead_out_of_themselves_are_refused() {
        for table in [
            String::new(),
            encode(&[1, 2]),
            encode(&[0xff; 8]),
            table(768, 5, "bcd\0"),
            table(768, 1, "é"),
            table(512, 0, "bcd\0"),
            table(400, 0, "bcd\0"),
            table(768, 0, "").split_at(400).0.to_owned(),
        ] {
            assert!(growth(&table).is_err(), "{table:.40}");
        }
        assert!(growth(&encode(&[4, 0, 0, 0, 1, 0, 0, 0, 0xff])).is_err(), "replacements in UTF-8");
    }
}

//! As much of Thrift's compact protocol as it takes to look at parquet's headers before a library
//! makes room for what they state.

use std::io::{ErrorKind, Read};

/// The deepest nesting that is gone through.
const DEEPEST: u8 = 16;

/// Something else than Thrift, or more of it than there may be.
#[derive(Debug)]
pub(super) struct Damaged;

/// Type of a 32-bit number.
pub(super) const I32: u8 = 5;
/// Type of a list.
pub(super) const LIST: u8 = 9;
/// Type of a structure.
pub(super) const STRUCT: u8 = 12;

/// Values in the compact protocol, of at most so many bytes.
pub(super) struct Thrift<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Thrift<R> {
    pub(super) fn new(reader: R, left: u64) -> Self {
        Self { reader, left }
    }

    /// Bytes that may still come.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    fn byte(&mut self) -> Result<u8, Damaged> {
        let mut byte = [0];
        self.left = self.left.checked_sub(1).ok_or(Damaged)?;
        loop {
            match self.reader.read(&mut byte) {
                Ok(1) => return Ok(byte[0]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return Err(Damaged),
            }
        }
    }

    fn varint(&mut self) -> Result<u64, Damaged> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Damaged)
    }

    /// A number of 16 to 64 bits.
    pub(super) fn number(&mut self) -> Result<i64, Damaged> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// Number and type of a structure's next field, given that of the one before; none at its end.
    /// Fields ascend.
    pub(super) fn field(&mut self, before: i64) -> Result<Option<(i64, u8)>, Damaged> {
        let head = self.byte()?;
        let (step, kind) = (i64::from(head >> 4), head & 0x0f);
        match (kind, step) {
            (0, _) => Ok(None),
            (_, 0) => Ok(Some((self.number().ok().filter(|field| *field > before).ok_or(Damaged)?, kind))),
            _ => Ok(Some((before.checked_add(step).ok_or(Damaged)?, kind))),
        }
    }

    /// Length and type of a list's elements. Each takes at least a byte.
    pub(super) fn list(&mut self) -> Result<(u64, u8), Damaged> {
        let head = self.byte()?;
        let length = match head >> 4 {
            15 => self.varint()?,
            short => u64::from(short),
        };
        if length > self.left { Err(Damaged) } else { Ok((length, head & 0x0f)) }
    }

    /// Goes over a field's value.
    pub(super) fn skip(&mut self, kind: u8) -> Result<(), Damaged> {
        // Truth values of fields stand in their type.
        if matches!(kind, 1 | 2) { Ok(()) } else { self.skip_value(kind, DEEPEST) }
    }

    fn skip_value(&mut self, kind: u8, depth: u8) -> Result<(), Damaged> {
        let depth = depth.checked_sub(1).ok_or(Damaged)?;
        match kind {
            1..=3 => self.byte().map(drop),
            4..=6 => self.varint().map(drop),
            7 => self.skip_bytes(8),
            8 => {
                let length = self.varint()?;
                self.skip_bytes(length)
            }
            9 | 10 => {
                let (length, kind) = self.list()?;
                (0..length).try_for_each(|_| self.skip_value(kind, depth))
            }
            11 => self.skip_map(depth),
            12 => {
                let mut last = 0;
                while let Some((field, kind)) = self.field(last)? {
                    last = field;
                    if !matches!(kind, 1 | 2) {
                        self.skip_value(kind, depth)?;
                    }
                }
                Ok(())
            }
            _ => Err(Damaged),
        }
    }

    fn skip_map(&mut self, depth: u8) -> Result<(), Damaged> {
        let length = self.varint()?;
        if length > self.left {
            return Err(Damaged);
        }
        if length == 0 {
            return Ok(());
        }
        let kinds = self.byte()?;
        (0..length).try_for_each(|_| {
            self.skip_value(kinds >> 4, depth)?;
            self.skip_value(kinds & 0x0f, depth)
        })
    }

    fn skip_bytes(&mut self, length: u64) -> Result<(), Damaged> {
        self.left = self.left.checked_sub(length).ok_or(Damaged)?;
        let skipped = std::io::copy(&mut self.reader.by_ref().take(length), &mut std::io::sink());
        if skipped.is_ok_and(|skipped| skipped == length) { Ok(()) } else { Err(Damaged) }
    }
}

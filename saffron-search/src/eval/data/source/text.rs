//! A file as UTF-8.

use std::io::{self, BufRead, Read};

use super::sniff::{BEGINNING, is_utf16};
use super::{Cap, DataErrorKind, Place, Source};

const CHUNK: usize = 1 << 16;
const MARK: &[u8] = b"\xef\xbb\xbf";

/// A file as UTF-8, checked piece by piece. Its errors carry a [`DataErrorKind`].
#[derive(Debug)]
pub(crate) struct Text<'a> {
    source: &'a Source,
    buffer: Vec<u8>,
    /// The next byte to give.
    at: usize,
    /// Behind the bytes that are whole characters.
    whole: usize,
    /// Behind the bytes that were read.
    end: usize,
    /// Bytes before the buffer.
    passed: usize,
    /// Line breaks before the buffer.
    lines: usize,
}

impl<'a> Text<'a> {
    pub(super) fn new(source: &'a Source) -> Self {
        Self { source, buffer: vec![0; CHUNK], at: 0, whole: 0, end: 0, passed: 0, lines: 0 }
    }

    /// Reads the next piece; there is none at the end.
    fn refill(&mut self) -> io::Result<()> {
        let breaks = line_breaks(&self.buffer[..self.whole]);
        self.check_row(breaks)?;
        (self.passed, self.lines) = (self.passed + self.whole, self.lines + breaks);
        self.buffer.copy_within(self.whole..self.end, 0);
        (self.at, self.end) = (0, self.end - self.whole);
        self.whole = 0;
        let first = self.passed == 0 && self.end == 0;
        let enough = if first { BEGINNING } else { self.end + 1 };
        while self.end < enough {
            let read = self.source.stream.borrow_mut().read(&mut self.buffer[self.end..])?;
            if read == 0 {
                break;
            }
            self.end += read;
        }
        if first {
            self.begin()?;
        }
        self.check_utf8(enough)
    }

    /// Refuses a row that goes on and on.
    fn check_row(&self, breaks: usize) -> io::Result<()> {
        let limit = self.source.limits.row;
        if self.source.since.get() <= limit {
            return Ok(());
        }
        let place = Some(Place::Line(self.lines + breaks + 1));
        Err(io::Error::other(DataErrorKind::TooLarge { cap: Cap::Row, limit, place }))
    }

    fn begin(&mut self) -> io::Result<()> {
        let beginning = &self.buffer[..self.end];
        if is_utf16(beginning) {
            return Err(io::Error::other(DataErrorKind::Utf16));
        }
        if beginning.starts_with(MARK) {
            self.at = MARK.len();
        }
        Ok(())
    }

    /// Looks for the end of the whole characters. What is bad behind some is found again with the
    /// next piece.
    fn check_utf8(&mut self, enough: usize) -> io::Result<()> {
        let read = &self.buffer[..self.end];
        let Err(error) = std::str::from_utf8(read) else {
            self.whole = self.end;
            self.source.last.set(read.last().copied().or(self.source.last.get()));
            return Ok(());
        };
        self.whole = error.valid_up_to();
        if self.whole > self.at {
            return Ok(());
        }
        let line = self.lines + 1 + line_breaks(&read[..self.whole]);
        match error.error_len() {
            Some(_) => Err(io::Error::other(DataErrorKind::BadUtf8 { line, offset: self.passed + self.whole })),
            None if self.end < enough => Err(io::Error::other(DataErrorKind::TornLine { line })),
            None => self.refill(),
        }
    }
}

fn line_breaks(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

impl BufRead for Text<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.whole {
            self.refill()?;
        }
        Ok(&self.buffer[self.at..self.whole])
    }

    fn consume(&mut self, amount: usize) {
        self.at += amount;
        self.source.since.set(self.source.since.get() + amount as u64);
    }
}

impl Read for Text<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let ready = self.fill_buf()?;
        let count = ready.len().min(buffer.len());
        buffer[..count].copy_from_slice(&ready[..count]);
        self.consume(count);
        Ok(count)
    }
}

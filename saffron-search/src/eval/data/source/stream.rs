//! A file's bytes, unzipped if they are zipped, with a checksum of what lies on the disk.

use std::fs::File;
use std::io::{self, Read, Seek};

use crc32fast::Hasher;
use flate2::read::MultiGzDecoder;

use super::{Cap, DataErrorKind};

/// What is read at once.
const CHUNK: usize = 1 << 16;

/// The bytes of a file as they lie on the disk. Its errors carry a [`DataErrorKind`].
#[derive(Debug)]
pub(super) struct Stored {
    file: File,
    sum: u32,
    left: u64,
    limit: u64,
}

/// The bytes of a file as they are read. Its errors carry a [`DataErrorKind`].
#[derive(Debug)]
pub(super) enum Stream {
    Plain(Stored),
    Zipped { decoder: Box<MultiGzDecoder<Stored>>, left: u64, limit: u64 },
}

impl Stream {
    pub(super) fn new(file: File, zipped: bool, limit: u64) -> Self {
        let stored = Stored { file, sum: 0, left: limit, limit };
        match zipped {
            true => Self::Zipped { decoder: Box::new(MultiGzDecoder::new(stored)), left: limit, limit },
            false => Self::Plain(stored),
        }
    }

    pub(super) fn file(&self) -> &File {
        match self {
            Self::Plain(stored) => &stored.file,
            Self::Zipped { decoder, .. } => &decoder.get_ref().file,
        }
    }

    /// The CRC-32 of the whole file, what was not read included.
    pub(super) fn checksum(self) -> Result<u32, DataErrorKind> {
        let mut stored = match self {
            Self::Plain(stored) => stored,
            Self::Zipped { decoder, .. } => decoder.into_inner(),
        };
        if stored.left == stored.limit {
            // A reader that went to and fro has left the file anywhere.
            stored.file.rewind().map_err(DataErrorKind::Io)?;
        }
        drain(&mut stored)?;
        Ok(stored.sum)
    }

    /// What is wrong with the rest of a zipped stream.
    pub(super) fn damage(&mut self) -> Option<DataErrorKind> {
        match self {
            Self::Plain(_) => None,
            Self::Zipped { .. } => drain(self).err().filter(|error| matches!(error, DataErrorKind::Gzip(_))),
        }
    }
}

/// Reads to the end.
fn drain(stream: &mut impl Read) -> Result<(), DataErrorKind> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(carried(error)),
        }
    }
}

/// What an error of a stream carries.
pub(crate) fn carried(error: io::Error) -> DataErrorKind {
    error.downcast::<DataErrorKind>().unwrap_or_else(DataErrorKind::Io)
}

fn too_large(cap: Cap, limit: u64) -> io::Error {
    io::Error::other(DataErrorKind::TooLarge { cap, limit, place: None })
}

impl Read for Stored {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer).map_err(|error| io::Error::other(DataErrorKind::Io(error)))?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| too_large(Cap::Stored, self.limit))?;
        let mut sum = Hasher::new_with_initial(self.sum);
        sum.update(&buffer[..read]);
        self.sum = sum.finalize();
        Ok(read)
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stored) => stored.read(buffer),
            Self::Zipped { decoder, left, limit } => {
                let read = decoder.read(buffer).map_err(|error| match error.downcast::<DataErrorKind>() {
                    Ok(kind) => io::Error::other(kind),
                    Err(error) => io::Error::other(DataErrorKind::Gzip(error)),
                })?;
                *left = left.checked_sub(read as u64).ok_or_else(|| too_large(Cap::Unzipped, *limit))?;
                Ok(read)
            }
        }
    }
}

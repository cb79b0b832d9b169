//! What a template writes, up to a limit.

use std::io::{self, Write};

/// The longest rendered conversation, in bytes.
pub(super) const MAX_RENDERED: usize = 8 << 20;

/// What a template writes, up to a limit.
#[derive(Default)]
pub(super) struct Bounded {
    pub(super) written: Vec<u8>,
    pub(super) full: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.written.len() + bytes.len() > MAX_RENDERED {
            self.full = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

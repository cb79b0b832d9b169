//! Text for standard output, whoever reads it.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// Writes a line. A reader that has gone away, as `head` does, has read enough: that is no error.
///
/// # Errors
///
/// Whatever else keeps the line from being written, such as a full disk.
pub fn line(text: impl Display) -> io::Result<()> {
    to(&mut io::stdout().lock(), text)
}

fn to(out: &mut dyn Write, text: impl Display) -> io::Result<()> {
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::{ErrorKind, Write, io, to};

    struct Fails(ErrorKind);

    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_error_and_a_full_disk_is_one() {
        assert!(to(&mut Fails(ErrorKind::BrokenPipe), "a line").is_ok());
        let error = to(&mut Fails(ErrorKind::StorageFull), "a line").map_err(|error| error.kind());
        assert_eq!(error, Err(ErrorKind::StorageFull));
        let mut written = Vec::new();
        assert!(to(&mut written, "a line").is_ok());
        assert_eq!(written, b"a line\n");
    }
}

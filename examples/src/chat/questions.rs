//! The questions of a conversation: lines of text, read in bounded memory.

use std::io::{self, BufRead, ErrorKind};

/// The longest line that is read as a question, in bytes.
pub const LONGEST: usize = 1 << 20;

/// Why a line is no question. The lines after it are read all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Too long a line.
    #[error("the line has more than {limit} bytes")]
    TooLong {
        /// The most it may have.
        limit: usize,
    },
    /// A line that is no text.
    #[error("the line is not UTF-8 from byte {from} on")]
    NotUtf8 {
        /// The first byte that does not belong to a character, counted from 0.
        from: usize,
    },
}

/// Reads lines. Of one that is too long no more than the limit is kept in memory.
#[derive(Debug)]
pub struct Questions<R> {
    input: R,
    limit: usize,
}

impl<R: BufRead> Questions<R> {
    /// The lines of an input, of up to [`LONGEST`] bytes.
    pub fn new(input: R) -> Self {
        Self { input, limit: LONGEST }
    }

    /// The next line without its end; none at the end of the input.
    fn line(&mut self) -> io::Result<Option<Result<Vec<u8>, LineError>>> {
        let (mut line, mut begun, mut fits) = (Vec::new(), false, true);
        loop {
            let part = match self.input.fill_buf() {
                Ok([]) => break,
                Ok(part) => part,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            begun = true;
            let end = part.iter().position(|byte| *byte == b'\n');
            let text = &part[..end.unwrap_or(part.len())];
            fits &= line.len() + text.len() <= self.limit;
            if fits {
                line.extend_from_slice(text);
            }
            let read = text.len() + usize::from(end.is_some());
            self.input.consume(read);
            if end.is_some() {
                break;
            }
        }
        let too_long = LineError::TooLong { limit: self.limit };
        let line = if fits { Ok(line) } else { Err(too_long) };
        Ok(begun.then_some(line))
    }
}

impl<R: BufRead> Iterator for Questions<R> {
    type Item = io::Result<Result<String, LineError>>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.line().transpose()?;
        Some(line.map(|line| line.and_then(text)))
    }
}

fn text(mut line: Vec<u8>) -> Result<String, LineError> {
    line.pop_if(|last| *last == b'\r');
    String::from_utf8(line).map_err(|error| LineError::NotUtf8 { from: error.utf8_error().valid_up_to() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::io::BufReader;

    use super::{LineError, Questions};

    /// The lines of an input that comes in small pieces.
    fn lines(input: &[u8], limit: usize) -> Vec<Result<String, LineError>> {
        let input = BufReader::with_capacity(3, input);
        Questions { input, limit }.map(|line| line.unwrap_or_else(|error| panic!("{error}"))).collect()
    }

    #[test]
    fn lines_are_those_of_the_standard_library() {
        for input in ["one\ntwo\n", "one\r\n\r\n\ntwo", "", "\n", "é\n€\n", "one\r"] {
            let expected: Vec<_> = input.lines().map(|line| Ok(line.trim_end_matches('\r').to_owned())).collect();
            assert_eq!(lines(input.as_bytes(), 8), expected, "{input:?}");
        }
    }

    #[test]
    fn a_bad_line_is_refused_and_the_next_one_is_read() {
        let too_long = Err(LineError::TooLong { limit: 4 });
        assert_eq!(lines(b"12345\n1234\n", 4), [too_long.clone(), Ok(String::from("1234"))]);
        assert_eq!(lines(b"1\n12345678901234", 4), [Ok(String::from("1")), too_long]);
        let broken = Err(LineError::NotUtf8 { from: 2 });
        assert_eq!(lines(b"hi\xff\nhi\n", 4), [broken, Ok(String::from("hi"))]);
    }

    #[test]
    fn a_line_without_an_end_is_not_kept() {
        let endless = std::io::Read::take(std::io::repeat(b'a'), 1 << 26);
        let mut questions = Questions { input: BufReader::new(endless), limit: 16 };
        let mut line = questions.line().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(line.take(), Some(Err(LineError::TooLong { limit: 16 })));
        assert!(questions.next().is_none());
    }
}

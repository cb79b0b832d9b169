//! Standard output and standard error of every program, whoever reads them.
//!
//! A reader that has gone away, as `head` does, has read enough: nothing more is written to it, and
//! that is no error. A full disk is one.
//!
//! On a terminal, control characters are shown as escapes such as `\u{1b}`: a model's text or a
//! file's contents could otherwise change its title, clear it, or reorder what it shows. Files and
//! pipes get the bytes as they are.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use saffron_core::{Outcome, SearchError};

/// Whether nobody reads standard output any more.
static READER_GONE: AtomicBool = AtomicBool::new(false);

/// Standard output cannot be written, for another reason than that its reader has gone.
#[derive(Debug, thiserror::Error)]
#[error("standard output cannot be written")]
pub struct OutputError(#[source] io::Error);

/// Runs a program: an error is printed to standard error, with each of its causes once.
pub fn run(program: impl FnOnce() -> anyhow::Result<()>) -> ExitCode {
    match program() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("Error: {}", chain(&error)));
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to standard output.
///
/// # Errors
///
/// Whatever keeps it from being written, such as a full disk.
pub fn line(text: impl Display) -> Result<(), OutputError> {
    to_stdout(&format!("{text}\n"))
}

/// Writes text to standard output, without the end of a line.
///
/// # Errors
///
/// As [`line()`].
pub fn piece(text: &str) -> Result<(), OutputError> {
    to_stdout(text)
}

/// Whether the reader of standard output was found to have gone.
#[must_use]
pub fn reader_is_gone() -> bool {
    READER_GONE.load(Ordering::Relaxed)
}

/// Writes a line to standard error, if anybody reads that.
pub fn say(text: impl Display) {
    hint(&format!("{text}\n"));
}

/// Writes text to standard error, without the end of a line.
pub fn hint(text: &str) {
    let mut err = io::stderr().lock();
    let terminal = err.is_terminal();
    // There is no better place for this failure to be told.
    write(&mut err, text, terminal).ok();
}

/// The text of an error and its causes, without those that the text before ends with.
#[must_use]
pub fn chain(error: &anyhow::Error) -> String {
    error.chain().skip(1).fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.ends_with(&cause) { text } else { format!("{text}: {cause}") }
    })
}

/// What a search had found when it failed half-way.
#[must_use]
pub fn partial(error: &anyhow::Error) -> Option<&Outcome> {
    error.downcast_ref::<SearchError>().and_then(SearchError::partial)
}

/// The text as a terminal may show it, with control characters as escapes; for anything else the
/// text itself. The end of a line and the tabulator stay.
#[must_use]
pub fn visible(text: &str, terminal: bool) -> Cow<'_, str> {
    if !terminal || !text.contains(is_control) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if is_control(letter) {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    Cow::Owned(shown)
}

/// Whether a character steers a terminal: C0, DEL, C1, and what sets the direction of text.
fn is_control(letter: char) -> bool {
    match letter {
        '\n' | '\t' => false,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        other => other.is_control(),
    }
}

fn to_stdout(text: &str) -> Result<(), OutputError> {
    if reader_is_gone() {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    let terminal = out.is_terminal();
    let read = write(&mut out, text, terminal).map_err(OutputError)?;
    if !read {
        READER_GONE.store(true, Ordering::Relaxed);
    }
    Ok(())
}

/// Writes text; says whether anybody reads it.
fn write(out: &mut dyn Write, text: &str, terminal: bool) -> io::Result<bool> {
    match out.write_all(visible(text, terminal).as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::{ErrorKind, Write, chain, io, visible, write};

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
        let tried = |kind| write(&mut Fails(kind), "a line\n", false).map_err(|error| error.kind());
        assert_eq!(tried(ErrorKind::BrokenPipe), Ok(false));
        assert_eq!(tried(ErrorKind::StorageFull), Err(ErrorKind::StorageFull));
        let mut written = Vec::new();
        assert!(matches!(write(&mut written, "a line\n", false), Ok(true)));
        assert_eq!(written, b"a line\n");
    }

    #[test]
    fn a_terminal_is_shown_control_characters_and_a_file_gets_them() {
        let title = "a\u{1b}]0;owned\u{7}b";
        assert_eq!(visible(title, true), "a\\u{1b}]0;owned\\u{7}b");
        assert_eq!(visible(title, false), title);
        let cases = [
            ("\0\u{8}\r\u{7f}", "\\u{0}\\u{8}\\u{d}\\u{7f}"),
            ("\u{80}\u{9b}2J\u{9f}", "\\u{80}\\u{9b}2J\\u{9f}"),
            ("\u{202a}\u{202e}\u{2066}\u{2069}", "\\u{202a}\\u{202e}\\u{2066}\\u{2069}"),
            ("one\n\ttwo, “three” \u{2029}\u{2065}\u{206a}é€𝄞", "one\n\ttwo, “three” \u{2029}\u{2065}\u{206a}é€𝄞"),
        ];
        for (text, shown) in cases {
            assert_eq!(visible(text, true), shown);
        }
    }

    #[test]
    fn what_is_streamed_is_shown_as_the_whole_would_be() {
        let text = "\u{1b}[2J\u{202e}é\r\n";
        let pieces: String = text.chars().map(|letter| visible(&letter.to_string(), true).into_owned()).collect();
        assert_eq!(pieces, visible(text, true));
    }

    #[test]
    fn a_cause_that_the_message_holds_is_told_once() {
        let error = anyhow!("the disk is full").context("records.jsonl: the disk is full").context("the run");
        assert_eq!(chain(&error), "the run: records.jsonl: the disk is full");
        let error = anyhow!("c").context("b: c").context("a: b: c");
        assert_eq!(chain(&error), "a: b: c");
        assert_eq!(chain(&anyhow!("alone")), "alone");
    }
}

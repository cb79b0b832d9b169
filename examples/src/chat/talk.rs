//! Questions from standard input, one after another.

use std::io::{BufRead, IsTerminal};

use anyhow::{Context, Error, Result};
use saffron_search::remote::{AnswerProblem, RemoteError};

use super::questions::Questions;
use crate::output::{OutputError, chain, hint, reader_is_gone, say};

/// Has every line of standard input answered; says whether the last of them was. A line that is
/// refused, or whose answer fails, is reported on standard error, and the next one is answered. A
/// terminal is shown a prompt.
///
/// # Errors
///
/// Input that cannot be read; an error after which [no question can be answered](is_final).
pub fn talk(answer: impl FnMut(&str) -> Result<()>) -> Result<bool> {
    let stdin = std::io::stdin();
    let terminal = stdin.is_terminal();
    let ask = || {
        if terminal {
            hint("> ");
        }
    };
    talk_over(Questions::new(stdin.lock()), ask, answer)
}

fn talk_over(
    questions: Questions<impl BufRead>,
    ask: impl Fn(),
    mut answer: impl FnMut(&str) -> Result<()>,
) -> Result<bool> {
    let mut answered = true;
    ask();
    for question in questions {
        let answer = match question.context("reading the questions")? {
            Ok(question) if question.trim().is_empty() => Ok(answered),
            Ok(question) => answer(&question).map(|()| true),
            Err(refused) => Err(refused.into()),
        };
        answered = match answer {
            Ok(answered) => answered,
            Err(error) if is_final(&error) => return Err(error),
            Err(error) => {
                say(format_args!("not answered, and the conversation goes on without it: {}", chain(&error)));
                false
            }
        };
        if reader_is_gone() {
            return Ok(true);
        }
        ask();
    }
    Ok(answered)
}

/// Whether no further question can be answered: the model is gone, or nothing can be shown.
#[must_use]
pub fn is_final(error: &Error) -> bool {
    error.chain().any(|cause| {
        let gone = |error: &RemoteError| match error {
            RemoteError::Unreachable { .. } => true,
            RemoteError::Answer { problem, .. } => matches!(problem, AnswerProblem::OtherModel { .. }),
            _ => false,
        };
        cause.is::<OutputError>() || cause.downcast_ref().is_some_and(gone)
    })
}

#[cfg(test)]
mod tests {
    use anyhow::{Result, bail};

    use super::{Questions, talk_over};

    /// Answers all but those that say "no".
    fn talk(lines: &str) -> (Option<bool>, Vec<String>) {
        let mut heard = Vec::new();
        let answer = |question: &str| -> Result<()> {
            heard.push(question.to_owned());
            if question == "no" { bail!("refused") } else { Ok(()) }
        };
        let answered = talk_over(Questions::new(lines.as_bytes()), || {}, answer);
        (answered.ok(), heard)
    }

    #[test]
    fn the_last_question_that_is_one_decides() {
        assert_eq!(talk("a\nno\n"), (Some(false), vec![String::from("a"), String::from("no")]));
        assert_eq!(talk("no\na\n").0, Some(true));
        assert_eq!(talk("no\n \n").0, Some(false), "a blank line is no question");
        assert_eq!(talk("\n"), (Some(true), vec![]));
    }
}

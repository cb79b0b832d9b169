//! The conversation in a terminal, as a program.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::programs::{example, run, text};

const TEMPLATE: &str = "{{ bos_token }}{% for turn in messages %}<|{{ turn.role }}|>{{ turn.content }}{% endfor %}\
                        {% if add_generation_prompt %}<|assistant|>{% endif %}";

/// A tiny policy that knows how conversations are put before it.
pub(crate) fn policy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(crate::fixtures().join("tiny-b/policy")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    std::fs::write(folder.path().join("chat_template.jinja"), TEMPLATE).unwrap();
    folder
}

fn chat(policy: &Path, arguments: &[&str]) -> Command {
    let mut command = example("chat");
    command.arg("--policy").arg(policy).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A whole conversation.
fn talk(policy: &Path, arguments: &[&str], questions: &[u8]) -> Output {
    let mut child = chat(policy, arguments).spawn().unwrap();
    child.stdin.take().unwrap().write_all(questions).unwrap();
    child.wait_with_output().unwrap()
}

fn said(policy: &Path, arguments: &[&str], questions: &str) -> String {
    let output = talk(policy, arguments, questions.as_bytes());
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn a_first_answer_is_that_of_decode_and_later_ones_know_what_was_said() {
    let policy = policy();
    let mrm = crate::fixtures().join("tiny-b/mrm").display().to_string();
    for search in [&["--max-new-tokens", "8"][..], &["--max-new-tokens", "8", "--mrm", &mrm, "--width", "3"]] {
        let alone = said(policy.path(), search, "one question\n");
        let both = said(policy.path(), search, "one question\n\nanother question\n");
        let other = said(policy.path(), search, "another question\n");
        assert!(both.starts_with(&alone), "{both:?} begins with {alone:?}");
        assert_ne!(&both[alone.len()..], other, "the second answer depends on what was said before");
        let mut decode = example("decode");
        decode.arg("--policy").arg(policy.path()).args(["--layout", "template", "--prompt", "one question"]);
        let output = run(decode.args(search));
        assert!(text(&output.stdout).starts_with(&alone), "{} and {alone:?}", text(&output.stdout));
    }
}

/// As templates of reasoning models do: of an earlier reply only its end.
#[test]
fn a_template_may_shorten_earlier_replies() {
    let policy = policy();
    let shorter = TEMPLATE.replace(
        "turn.content",
        "(turn.content if turn.role == 'user' else turn.content.split('a')[-1].split('e')[-1].split(' ')[-1])",
    );
    std::fs::write(policy.path().join("chat_template.jinja"), shorter).unwrap();
    let search = ["--max-new-tokens", "8"];
    let alone = said(policy.path(), &search, "one question\n");
    let both = said(policy.path(), &search, "one question\nanother question\nthe last\n");
    assert!(both.starts_with(&alone) && both.len() > alone.len(), "{both:?} begins with {alone:?}");
}

/// Lines that are refused, and what is said of each.
fn bad_lines() -> [(Vec<u8>, &'static str); 3] {
    [
        (b"hi \xff\xfe".to_vec(), "the line is not UTF-8 from byte 3 on"),
        (vec![b'a'; (1 << 20) + 1], "the line has more than 1048576 bytes"),
        ("a long question ".repeat(1000).into_bytes(), "tokens, the model has room for"),
    ]
}

#[test]
fn a_bad_line_is_refused_and_the_conversation_goes_on() {
    let policy = policy();
    let mrm = crate::fixtures().join("tiny-b/mrm").display().to_string();
    for search in [&["--max-new-tokens", "6"][..], &["--max-new-tokens", "6", "--mrm", &mrm, "--width", "2"]] {
        let expected = said(policy.path(), search, "one question\nanother question\n");
        for (line, says) in bad_lines() {
            let questions = [b"one question\n", &line[..], b"\nanother question\n"].concat();
            let output = talk(policy.path(), search, &questions);
            let error = text(&output.stderr);
            assert!(output.status.success(), "{says}: {error}");
            assert_eq!(error.matches("not answered, and the conversation goes on without it: ").count(), 1, "{error}");
            assert!(error.contains(says), "{says}: {error}");
            assert_eq!(text(&output.stdout), expected, "{says}");
        }
    }
}

#[test]
fn the_exit_code_says_whether_the_last_question_was_answered() {
    let policy = policy();
    let search = ["--max-new-tokens", "4"];
    let answer = said(policy.path(), &search, "one question\n");
    for (line, says) in bad_lines() {
        let output = talk(policy.path(), &search, &[b"one question\n", &line[..]].concat());
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{says}: {error}");
        assert!(error.contains(says) && error.ends_with("Error: the last question was not answered\n"), "{error}");
        assert_eq!(text(&output.stdout), answer, "{says}");
    }
    assert_eq!(said(policy.path(), &search, "\n  \n"), "", "no question, nothing that was not answered");
}

#[test]
fn a_policy_without_a_template_is_refused() {
    let output = run(&mut chat(&crate::fixtures().join("tiny-b/policy"), &[]));
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("no chat template"), "{}", text(&output.stderr));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_an_answer_and_keeps_what_there_is() {
    let policy = policy();
    let mut child =
        chat(policy.path(), &["--max-new-tokens", "2000", "--min-new-tokens", "2000", "--no-cache"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"one question\n").unwrap();
    let mut stdout = child.stdout.take().unwrap();
    // Once something is shown, an answer is being looked for.
    let mut first = [0];
    stdout.read_exact(&mut first).unwrap();
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "(ended early)\n");
    drop(stdin);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with('\n'), "{rest:?}");
    assert!(child.wait().unwrap().success(), "the conversation goes on until its questions end");
}

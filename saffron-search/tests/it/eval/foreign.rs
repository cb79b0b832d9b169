//! Files that are there by name and are something else, and text that is something else.

use std::path::Path;
use std::time::Duration;

use saffron_search::eval::attack::read_templates;
use saffron_search::eval::data::{DataErrorKind, Format, read, read_pairs};

use super::files::{Files, fault};

/// What a call gives in time; a FIFO that is opened blocks for ever.
fn in_time<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(call()));
    receiver.recv_timeout(Duration::from_secs(20)).expect("it blocks")
}

fn found(path: &Path) -> &'static str {
    let path = path.to_owned();
    in_time(move || match read(&path, &Format::Prompts).unwrap_err().into_kind() {
        DataErrorKind::NotAFile { found } => found,
        other => panic!("{}: {other}", path.display()),
    })
}

#[test]
fn a_directory_is_no_data() {
    let files = Files::new();
    for name in ["a.jsonl", "a.csv.gz", "a.parquet"] {
        std::fs::create_dir(files.path(name)).unwrap();
        assert_eq!(found(&files.path(name)), "a directory");
    }
}

#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_devices_and_fifos_are_refused_at_once() {
    use std::os::unix::fs::symlink;
    let files = Files::new();
    for name in ["a.txt", "b.parquet"] {
        symlink(files.path("nothing"), files.path(name)).unwrap();
        assert_eq!(found(&files.path(name)), "a link that leads nowhere");
    }
    symlink("/dev/zero", files.path("zero.txt")).unwrap();
    assert_eq!(found(&files.path("zero.txt")), "a device, pipe or socket");
    for name in ["fifo.csv", "fifo.json.gz", "fifo.parquet"] {
        fifo(&files.path(name));
        assert_eq!(found(&files.path(name)), "a device, pipe or socket");
    }
    let path = files.path("fifo.csv");
    assert!(in_time(move || read_templates(path)).unwrap_err().to_string().contains("expected a regular file"));
    let path = files.path("fifo.csv");
    assert!(in_time(move || read_pairs(path, &Format::HhRlhf)).is_err());
    let path = files.write("replies.csv", "question,Response,label\n0,So.,1\n");
    let format = Format::GptfuzzResponses { questions: "fifo.csv".into() };
    let error = in_time(move || read(path, &format)).unwrap_err();
    assert_eq!(error.path(), files.path("fifo.csv"));
    // A link to a file is that file.
    symlink(files.write("real.txt", "How?\n"), files.path("link.txt")).unwrap();
    assert_eq!(read(files.path("link.txt"), &Format::Prompts).unwrap().items.len(), 1);
}

#[cfg(unix)]
pub(crate) fn fifo(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn utf16_is_named() {
    let text = "{\"prompt\": \"How are locks picked?\"}\n";
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let marked = [&[0xff, 0xfe], &little[..]].concat();
    for content in [little, big, marked] {
        for name in ["a.jsonl", "a.json", "a.csv.gz", "a.txt"] {
            let (kind, words) = fault(name, &content, &Format::Prompts);
            assert!(matches!(kind, DataErrorKind::Utf16), "{name}: {kind:?}");
            assert!(words.starts_with("the text is UTF-16, expected UTF-8"), "{words}");
        }
    }
}

#[test]
fn a_pointer_of_git_lfs_is_named() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    let files = Files::new();
    for name in ["a.jsonl", "a.csv.gz", "a.parquet", "a.txt"] {
        std::fs::write(files.path(name), pointer).unwrap();
        let error = read(files.path(name), &Format::Prompts).unwrap_err();
        assert!(matches!(error.kind(), DataErrorKind::LfsPointer), "{name}: {error}");
        assert!(error.to_string().contains("git lfs pull"), "{error}");
    }
}

#[test]
fn columns_are_listed_up_to_ten_and_counted() {
    let names: Vec<String> = (0..13).map(|column| format!("c{column:02}")).collect();
    let (_, words) = fault("a.csv", format!("{}\n{}\n", names.join(","), "x,".repeat(12)), &Format::Prompts);
    let ten = names[..10].iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    let hint = "the first row must name the columns, is the header missing?";
    assert_eq!(words, format!("line 2: no column `prompt` among 13 columns: {ten} and 3 more; {hint}"));
    // A question in the header's place is shown, but not to its end.
    let (_, words) = fault("a.csv", format!("{}\nWhy?\n", "How? ".repeat(100)), &Format::Prompts);
    assert!(words.len() < 300 && words.contains("among 1 column: \"How? How?") && words.ends_with(hint), "{words}");
    let (_, words) = fault("a.jsonl", "{\"question\":\"How?\"}\n", &Format::Prompts);
    assert_eq!(words, "line 1: no column `prompt` among 1 column: \"question\"");
}

#[test]
fn a_key_twice_is_refused() {
    let row = "{\"prompt\":\"How?\",\"prompt\":\"Why?\"}";
    let (_, words) = fault("a.jsonl", format!("{row}\n"), &Format::Prompts);
    assert!(words.starts_with("line 1: an object has the key \"prompt\" twice"), "{words}");
    let (_, words) = fault("a.json", format!("[{row}]"), &Format::Prompts);
    assert!(words.starts_with("line 1: an object has the key \"prompt\" twice"), "{words}");
}

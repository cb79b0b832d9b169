//! What is written of the server is what it does.

use std::path::PathBuf;

use saffron_search::serve::{Endpoint, openapi, parameter_table};

use crate::programs::{example, run, text};

fn read(path: &str) -> (PathBuf, String) {
    let path = crate::root().join(path);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    (path, text)
}

/// Compares a file with what it is made of; with `SAFFRON_WRITE_DOCS` in the environment, makes it anew.
fn compare(path: PathBuf, found: &str, made: &str) {
    if std::env::var_os("SAFFRON_WRITE_DOCS").is_some() {
        std::fs::write(path, made).unwrap();
        return;
    }
    let how = "SAFFRON_WRITE_DOCS=1 cargo test --workspace --test it serve::documents makes it anew";
    assert!(found == made, "{} is not what the code says: {how}", path.display());
}

#[test]
fn the_description_is_made_of_the_code() {
    let (path, found) = read("docs/openapi.json");
    compare(path, &found, &format!("{}\n", serde_json::to_string_pretty(&openapi()).unwrap()));
}

#[test]
fn the_tables_of_parameters_are_made_of_the_code() {
    let (path, found) = read("docs/serving-reference.md");
    let mut made = found.clone();
    for (endpoint, name) in [(Endpoint::Chat, "chat"), (Endpoint::Completions, "completions")] {
        let [begin, end] = ["begin", "end"].map(|part| format!("<!-- {part} {name} -->\n"));
        let from = made.find(&begin).unwrap_or_else(|| panic!("{begin}")) + begin.len();
        let to = made.find(&end).unwrap();
        made.replace_range(from..to, &parameter_table(endpoint));
    }
    compare(path, &found, &made);
}

#[test]
fn every_flag_of_the_server_is_in_the_reference() {
    let help = text(&run(example("serve").arg("--help")).stdout);
    let (_, page) = read("docs/serving-reference.md");
    let flags = help.lines().filter_map(|line| line.trim_start().strip_prefix("--"));
    let flags: Vec<&str> = flags.filter_map(|flag| flag.split([' ', '=', '[']).next()).collect();
    assert!(flags.len() > 40, "{flags:?}");
    for flag in flags {
        assert!(page.contains(&format!("`--{flag}`")), "--{flag}");
    }
}

//! The guides: what they point at is there, and their code is run.

use std::path::{Path, PathBuf};

/// The README and the pages of `docs`, in order.
fn pages() -> Vec<PathBuf> {
    let listed = std::fs::read_dir(crate::root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = listed.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    pages.push(crate::root().join("README.md"));
    pages.sort();
    pages
}

/// Where the links of a page lead within the repository.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let paths = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    paths.map(|target| target.split('#').next().unwrap_or(target)).collect()
}

#[test]
fn what_pages_link_to_is_there() {
    let mut seen = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            assert!(page.parent().unwrap().join(link).exists(), "{}: {link}", page.display());
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn every_page_with_rust_is_run_with_the_doctests_and_listed() {
    let read = |path: &str| std::fs::read_to_string(crate::root().join(path)).unwrap();
    let guides = read("examples/src/guides.rs");
    let index = read("docs/README.md");
    let name = |page: &Path| page.file_name().unwrap().to_string_lossy().into_owned();
    let in_docs = pages().into_iter().filter(|page| page.parent().unwrap().ends_with("docs"));
    for page in in_docs.filter(|page| name(page) != "README.md") {
        let (text, name) = (std::fs::read_to_string(&page).unwrap(), name(&page));
        assert!(!text.contains("\n```rust\n") || guides.contains(&format!("/{name}\"")), "{name} is no doctest");
        assert!(!text.contains("```rust,"), "{name} has code that is not run");
        assert!(index.contains(&format!("({name})")), "{name} is not in docs/README.md");
    }
}

/// What the guide to families shows of one stands in that family's file.
#[test]
fn the_guide_to_families_shows_a_real_one() {
    let read = |path: &str| std::fs::read_to_string(crate::root().join(path)).unwrap();
    let (guide, family) = (read("docs/families.md"), read("saffron-mrm/src/family/qwen3.rs"));
    let shown = guide.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let shown: Vec<&str> = shown.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let family: Vec<&str> = family.lines().map(str::trim).collect();
    assert!(shown.len() > 5 && family.windows(shown.len()).any(|lines| lines == shown), "{shown:#?}");
}

/// The configurations that a guide shows, as values: comments and order are its own.
#[test]
fn the_configurations_of_the_training_guide_are_those_of_the_repository() {
    let read = |path: &str| std::fs::read_to_string(crate::root().join(path)).unwrap();
    let value = |text: &str| toml::from_str::<toml::Table>(text).unwrap();
    let guide = read("docs/own-mrm.md");
    let shown: Vec<&str> = guide.split("\n```toml\n").skip(1).filter_map(|rest| rest.split("\n```").next()).collect();
    let names = ["train_guard_smollm2", "label_smollm2", "train_mrm_smollm2"];
    assert_eq!(shown.len(), names.len());
    for (shown, name) in shown.into_iter().zip(names) {
        assert_eq!(value(shown), value(&read(&format!("examples/configs/{name}.toml"))), "{name}");
    }
}

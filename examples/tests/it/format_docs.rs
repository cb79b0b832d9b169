//! The reference of public sets: every set has a configuration there, which is one.

use std::collections::BTreeSet;

use saffron_search::eval::comparison::ComparisonConfig;
use saffron_search::eval::data::Format;
use saffron_search::eval::data::sets::PublicSet;

use crate::programs::{example, run, text};

/// The section of docs/evaluation.md.
fn section() -> String {
    let page = std::fs::read_to_string(crate::root().join("docs/evaluation.md")).unwrap();
    let (_, from) = page.split_once("\n### Sets by name\n").unwrap();
    from.split_once("\n## ").unwrap().0.to_owned()
}

/// A configuration that is whole with data sets.
const WITHOUT_DATA: &str = r#"
policy = { model = "models/policy" }
judges = [{ name = "phrases", judge = { kind = "refusal-phrases" } }]
strategies = [{ name = "greedy", strategy = { kind = "greedy" } }]
"#;

#[test]
fn every_set_has_a_configuration_and_a_line_with_its_licence() {
    let section = section();
    let (_, block) = section.split_once("```toml\n").unwrap();
    let (data, _) = block.split_once("```").unwrap();
    let config: ComparisonConfig = toml::from_str(&format!("{WITHOUT_DATA}\n{data}")).unwrap();
    config.check().unwrap();
    let named: BTreeSet<&str> = config
        .data
        .iter()
        .filter_map(|data| match &data.format {
            Format::Set(set) => Some(set.name()),
            _ => None,
        })
        .collect();
    assert_eq!(named, PublicSet::all().map(PublicSet::name).collect());
    for set in PublicSet::all() {
        let line = section.lines().find(|line| line.starts_with("| ") && line.contains(&format!("`{}`", set.name())));
        assert!(line.is_some_and(|line| line.contains(set.licence())), "{}", set.name());
    }
}

#[test]
fn compare_lists_all_sets_and_needs_nothing_else_for_it() {
    let output = run(example("compare").arg("--list-formats"));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let listed = text(&output.stdout);
    for set in PublicSet::all() {
        assert!(listed.contains(&format!("{}: {}", set.name(), set.title())), "{listed}");
        assert!(listed.contains(set.source()) && listed.contains(&set.description().columns), "{}", set.name());
    }
}

#[test]
fn compare_without_an_output_is_still_refused() {
    let output = run(example("compare").args(["--config", "x.toml"]));
    assert!(!output.status.success() && text(&output.stderr).contains("--out"), "{}", text(&output.stderr));
}

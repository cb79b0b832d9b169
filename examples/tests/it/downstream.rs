//! The crates outside the workspace (`scripts/downstream.sh` builds them): what they may name, and
//! that they are built as the workspace is.

use std::collections::BTreeMap;

fn manifest(folder: &str) -> toml::Table {
    let path = crate::root().join(folder).join("Cargo.toml");
    toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn downstream_crates_name_what_a_users_crate_names_and_nothing_else() {
    let expected: [(&str, &[&str]); 3] = [
        ("strategy", &["saffron-search"]),
        ("served", &["saffron-search", "serde_json"]),
        ("ten-lines", &["saffron-mrm", "saffron-search"]),
    ];
    for (name, crates) in expected {
        let manifest = manifest(&format!("examples/tests/downstream/{name}"));
        assert!(manifest["workspace"].as_table().unwrap().is_empty(), "{name} is a workspace of its own");
        let dependencies = manifest["dependencies"].as_table().unwrap();
        assert_eq!(dependencies.keys().map(String::as_str).collect::<Vec<_>>(), crates, "{name}");
        for (dependency, about) in dependencies.iter().filter(|(name, _)| name.starts_with("saffron-")) {
            let path = about["path"].as_str().unwrap();
            assert_eq!(path, format!("../../../../{dependency}"), "{name}");
            // A backend, which the program chooses, or the engines, and no other feature.
            let features = about.get("features").map(|features| features.as_array().unwrap().len());
            let has_one = dependency == "saffron-mrm" || name == "served";
            assert_eq!(features, has_one.then_some(1), "{name}: {dependency}");
        }
    }
}

#[test]
fn downstream_crates_have_the_workspaces_profile() {
    let workspace = manifest("");
    for name in ["strategy", "served", "ten-lines"] {
        let mut own = manifest(&format!("examples/tests/downstream/{name}"));
        // What concerns our crates alone is theirs: they are built anew in any case.
        own["profile"]["dev"]["package"].as_table_mut().unwrap().retain(|name, _| !name.starts_with("saffron-"));
        assert_eq!(own["profile"]["dev"], workspace["profile"]["dev"], "{name} shares no build with the workspace");
    }
}

/// The first block of a language in the README.
fn block<'a>(readme: &'a str, language: &str) -> &'a str {
    let (_, block) = readme.split_once(&format!("\n```{language}\n")).unwrap();
    block.split("\n```").next().unwrap()
}

/// What a dependency is asked for, but for where it comes from.
fn features(dependencies: &toml::Table) -> BTreeMap<String, Option<toml::Value>> {
    dependencies.iter().map(|(name, about)| (name.clone(), about.get("features").cloned())).collect()
}

#[test]
fn program_and_dependencies_are_those_of_the_readme() {
    let readme = std::fs::read_to_string(crate::root().join("README.md")).unwrap();
    let shown: toml::Table = toml::from_str(block(&readme, "toml")).unwrap();
    let own = manifest("examples/tests/downstream/ten-lines");
    let tables = [&shown, &own].map(|manifest| features(manifest["dependencies"].as_table().unwrap()));
    assert_eq!(tables[0], tables[1]);
    // The versions for after publishing, in a sentence.
    assert!(readme.contains(r#"`saffron-mrm = { version = "0.1", features = ["flex"] }`, `saffron-search = "0.1"`"#));

    let path = crate::root().join("examples/tests/downstream/ten-lines/src/main.rs");
    let own = std::fs::read_to_string(path).unwrap();
    let own: Vec<&str> =
        own.lines().filter(|line| !line.starts_with("//! ")).skip_while(|line| line.is_empty()).collect();
    let shown: Vec<&str> = block(&readme, "rust,no_run").lines().collect();
    assert_eq!(own, shown);
    assert!(
        !own.iter().any(|line| line.contains("saffron_") && !line.contains("::prelude::*;")),
        "preludes are enough"
    );
}

//! The crates outside the workspace (`scripts/downstream.sh` builds them): what they may name, and that they are built as the
//! workspace is.

use std::collections::BTreeSet;

fn manifest(folder: &str) -> toml::Table {
    let path = crate::root().join(folder).join("Cargo.toml");
    toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn downstream_crates_name_what_a_users_crate_names_and_nothing_else() {
    let expected: [(&str, &[&str]); 2] =
        [("strategy", &["saffron-search"]), ("ten-lines", &["saffron-mrm", "saffron-search"])];
    for (name, crates) in expected {
        let manifest = manifest(&format!("examples/tests/downstream/{name}"));
        assert!(manifest["workspace"].as_table().unwrap().is_empty(), "{name} is a workspace of its own");
        let dependencies = manifest["dependencies"].as_table().unwrap();
        assert_eq!(dependencies.keys().map(String::as_str).collect::<Vec<_>>(), crates, "{name}");
        for (dependency, about) in dependencies {
            let path = about["path"].as_str().unwrap();
            assert_eq!(path, format!("../../../../{dependency}"), "{name}");
            // A backend, which the program chooses, and no other feature.
            let features = about.get("features").map(|features| features.as_array().unwrap().len());
            assert_eq!(features, (dependency == "saffron-mrm").then_some(1), "{name}: {dependency}");
        }
    }
}

#[test]
fn downstream_crates_have_the_workspaces_profile() {
    let workspace = manifest("");
    for name in ["strategy", "ten-lines"] {
        let own = manifest(&format!("examples/tests/downstream/{name}"));
        assert_eq!(own["profile"]["dev"], workspace["profile"]["dev"], "{name} shares no build with the workspace");
    }
}

#[test]
fn the_program_imports_preludes_alone() {
    let path = crate::root().join("examples/tests/downstream/ten-lines/src/main.rs");
    let text = std::fs::read_to_string(path).unwrap();
    let imports: BTreeSet<&str> = text.lines().filter(|line| line.starts_with("use ")).collect();
    assert_eq!(imports, BTreeSet::from(["use saffron_mrm::prelude::*;", "use saffron_search::prelude::*;"]));
    let (_, body) = text.split_once("fn main()").unwrap();
    assert!(!body.contains("saffron_"), "the program names crates beyond their preludes");
    assert!(body.lines().count() <= 12, "{} lines", body.lines().count());
}

//! The frame of docs/ARCHITECTURE.md, read off `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Which of our crates, and whether burn, a crate may use.
const EDGES: [(&str, &[&str], bool); 6] = [
    ("saffron-core", &[], false),
    ("saffron-kvtrie", &["saffron-core"], true),
    ("saffron-search", &["saffron-core"], false),
    ("saffron-mrm", &["saffron-core", "saffron-kvtrie"], true),
    ("saffron-train", &["saffron-core", "saffron-mrm", "saffron-search"], true),
    ("saffron-examples", &["saffron-core", "saffron-kvtrie", "saffron-mrm", "saffron-search", "saffron-train"], true),
];

const BACKENDS: [&str; 5] = ["flex", "ndarray", "cuda", "wgpu", "x86-v4"];

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(crate::root().join("Cargo.toml")).exec().unwrap()
}

fn members(metadata: &Metadata) -> BTreeMap<String, &Package> {
    metadata.workspace_packages().into_iter().map(|package| (package.name.to_string(), package)).collect()
}

/// What a crate is built with; what only its tests use is not part of it.
fn dependencies(package: &Package) -> BTreeSet<&str> {
    let used = package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development);
    used.map(|dependency| dependency.name.as_str()).collect()
}

#[test]
fn crates_use_each_other_only_along_the_edges() {
    let metadata = metadata();
    let members = members(&metadata);
    assert_eq!(members.len(), EDGES.len(), "every crate of the workspace has its edges");
    for (name, allowed, burn) in EDGES {
        let used = dependencies(members[name]);
        let ours: Vec<&&str> = used.iter().filter(|used| used.starts_with("saffron-")).collect();
        assert!(ours.iter().all(|used| allowed.contains(used)), "{name} uses {ours:?}");
        assert!(burn || !used.iter().any(|used| used.starts_with("burn")), "{name} does without burn");
    }
}

#[test]
fn core_and_search_need_no_burn_and_no_runtime_however_deep() {
    let metadata = metadata();
    let graph = metadata.resolve.as_ref().unwrap();
    let children: BTreeMap<_, Vec<_>> = graph
        .nodes
        .iter()
        .map(|node| {
            let normal = node
                .deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development));
            (&node.id, normal.map(|dep| &dep.pkg).collect())
        })
        .collect();
    for name in ["saffron-core", "saffron-search"] {
        let mut open = vec![&members(&metadata)[name].id];
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                open.extend(&children[id]);
                let found = &metadata[id].name;
                let tensors = ["burn", "candle", "cubecl", "ndarray"].iter().any(|tensors| found.starts_with(tensors));
                assert!(!tensors && found.as_str() != "tokio", "{name} reaches {found}");
            }
        }
    }
}

#[test]
fn libraries_choose_no_backend_and_forward_every_one() {
    let metadata = metadata();
    for (name, package) in members(&metadata) {
        if !EDGES.iter().any(|(crate_name, _, burn)| *crate_name == name && *burn) {
            continue;
        }
        for backend in BACKENDS {
            let burns = format!("burn/{backend}");
            let forwards = |feature: &String| *feature == burns;
            let named = package.features[backend].iter();
            // Directly, or through another feature of the same crate.
            let passed_on = named.clone().filter_map(|feature| package.features.get(feature)).flatten();
            assert!(named.chain(passed_on).any(forwards), "{name} forwards {backend}");
        }
        let default = package.features.get("default").into_iter().flatten();
        let chosen = default.filter(|feature| BACKENDS.contains(&feature.as_str())).count();
        assert_eq!(chosen > 0, name == "saffron-examples", "default features of {name}");
    }
}

#[test]
fn every_dependency_has_its_reason_in_the_architecture_page() {
    let page = std::fs::read_to_string(crate::root().join("docs/ARCHITECTURE.md")).unwrap();
    let metadata = metadata();
    for (name, package) in members(&metadata) {
        for dependency in &package.dependencies {
            let ours = dependency.name.starts_with("saffron-");
            assert!(ours || page.contains(&format!("| `{}` |", dependency.name)), "{name} uses {}", dependency.name);
        }
    }
}

/// Lines that a program has at most: it is a recipe, and what is more belongs into a library.
const RECIPE: usize = 80;

#[test]
fn programs_are_recipes() {
    let metadata = metadata();
    let package = members(&metadata)["saffron-examples"];
    let programs = package.targets.iter().filter(|target| target.is_example());
    let mut seen = 0;
    for target in programs {
        let lines = std::fs::read_to_string(&target.src_path).unwrap().lines().count();
        assert!(lines <= RECIPE, "{} has {lines} lines, and a recipe at most {RECIPE}", target.src_path);
        seen += 1;
    }
    assert!(seen >= 23, "{seen}");
}

/// Families of decoders are rows of one table; what reads tensors and computes knows choices alone.
/// Tokenizers of GGUF have names of their own, some of them a family's.
#[test]
fn families_are_named_in_their_table_alone() {
    let names = ["mistral", "qwen", "gemma", "phi3", "phi-3", "smollm", "olmo", "granite"];
    let source = crate::root().join("saffron-mrm/src");
    let mut seen = 0;
    for room in ["config", "nn", "engine", "checkpoint"] {
        for path in crate::pinned::files(&source.join(room), "rs") {
            if path.ends_with("gguf/tokenizer/pre.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap().to_lowercase();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                assert!(!names.iter().any(|name| line.contains(name)), "{}: {line}", path.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen}");
}

/// Errors follow one pattern: an enum that may grow, whose words and causes `thiserror` writes.
/// `StepError` is generic over what a forward pass fails with, and has no third way to fail.
#[test]
fn error_types_follow_one_pattern() {
    let mut seen = 0;
    for member in ["core", "kvtrie", "mrm", "search", "train"] {
        for path in crate::pinned::files(&crate::root().join(format!("saffron-{member}/src")), "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for (at, _) in text.match_indices("\npub enum ") {
                let name = text[at + 10..].split(|c: char| !c.is_alphanumeric()).next().unwrap();
                if !name.ends_with("Error") || name == "StepError" {
                    continue;
                }
                let attributes = text[..at].rsplit("\n\n").next().unwrap();
                assert!(attributes.contains("Error)]"), "{name} of {} does not derive Error", path.display());
                assert!(attributes.contains("#[non_exhaustive]"), "{name} of {} cannot grow", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 25, "{seen}");
}

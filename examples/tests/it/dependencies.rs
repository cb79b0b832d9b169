//! What the workspace is built of: licences, sources, and packages that must not come in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand, Package};
use spdx::{Expression, ParseMode};

/// Licences that anything may have, and what they ask for.
const LICENCES: [(&str, &str); 15] = [
    ("MIT", "permissive: keep the notice"),
    ("Apache-2.0", "permissive: keep the notice, say what was changed"),
    ("Apache-2.0 WITH LLVM-exception", "Apache-2.0 with less to keep in binaries"),
    ("BSD-2-Clause", "permissive: keep the notice"),
    ("BSD-3-Clause", "permissive: keep the notice"),
    ("BSL-1.0", "permissive: keep the notice in sources"),
    ("CC0-1.0", "public domain"),
    ("ISC", "permissive: keep the notice"),
    ("NCSA", "permissive: keep the notice (libFuzzer, which only fuzz targets link)"),
    ("Unicode-3.0", "permissive: Unicode's tables"),
    ("Unicode-DFS-2016", "permissive: Unicode's tables"),
    ("Zlib", "permissive: do not claim it as your own"),
    ("CDLA-Permissive-2.0", "permissive, for data: the root certificates of webpki-roots"),
    ("MPL-2.0", "copyleft a file: changes of its own files must be published, and nothing here changes any"),
    ("WTFPL", "no conditions (terminfo, with burn's dashboard)"),
];

/// Packages that name a file in place of an SPDX expression, and what that file is.
const CLARIFIED: [(&str, &str); 1] = [("cfg_block", "Apache-2.0")];

/// Packages that may not be in a lock file, and why.
const BANNED: [(&str, &str); 10] = [
    ("async-std", "everything here is synchronous"),
    ("aws-lc-sys", "needs CMake and a C compiler; rustls uses ring"),
    ("hf-hub", "saffron-mrm's `hub` has limits and checks that it lacks"),
    ("libgit2-sys", "needs C; nothing here reads repositories"),
    ("native-tls", "TLS is rustls's"),
    ("onig_sys", "needs C; tokenizers uses fancy-regex"),
    ("openblas-src", "needs Fortran; burn brings its own products"),
    ("openssl-sys", "needs a system library; TLS is rustls's"),
    ("pyo3", "a library for Rust programs starts no Python"),
    ("reqwest", "HTTP is ureq's"),
];

/// Packages that no library crate may be built with, on no platform that programs run on, and why.
const BANNED_IN_LIBRARIES: [(&str, &str); 6] = [
    ("axum", "servers are programs"),
    ("clap", "arguments are a program's"),
    ("hyper", "requests are ureq's, servers are programs"),
    ("indicatif", "libraries do not print"),
    ("mimalloc", "the program picks its allocator"),
    ("tokio", "everything here is synchronous"),
];

/// Packages that no library crate may name itself, and why.
const BANNED_IN_MANIFESTS: [(&str, &str); 3] = [
    ("anyhow", "libraries have typed errors"),
    ("eyre", "libraries have typed errors"),
    ("lazy_static", "the standard library has LazyLock"),
];

const PLATFORMS: [&str; 3] = ["x86_64-unknown-linux-gnu", "aarch64-apple-darwin", "x86_64-pc-windows-msvc"];

fn metadata(options: &[&str]) -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(crate::root().join("Cargo.toml"));
    command.other_options(options.iter().map(|option| (*option).to_owned()).collect::<Vec<_>>());
    command.exec().unwrap()
}

/// The workspace's lock file and those of the fuzz targets.
fn lock_files() -> Vec<PathBuf> {
    let crates = ["", "saffron-kvtrie/fuzz", "saffron-mrm/fuzz", "saffron-search/fuzz"];
    crates.iter().map(|folder| crate::root().join(folder).join("Cargo.lock")).collect()
}

/// Name and source of every package in a lock file; those of this repository have no source.
fn locked(path: &Path) -> Vec<(String, Option<String>)> {
    let lock: toml::Table = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let text = |package: &toml::Value, key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let packages = lock["package"].as_array().unwrap();
    packages.iter().map(|package| (text(package, "name").unwrap(), text(package, "source"))).collect()
}

#[test]
fn every_package_is_from_crates_io_or_from_here() {
    const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
    for path in lock_files() {
        for (name, source) in locked(&path) {
            let ours = source.is_none() && name.starts_with("saffron-");
            assert!(ours || source.as_deref() == Some(CRATES_IO), "{}: {name} is from {source:?}", path.display());
        }
    }
}

#[test]
fn no_banned_package_is_locked() {
    for path in lock_files() {
        for (name, _) in locked(&path) {
            let reason = BANNED.iter().find(|(banned, _)| *banned == name);
            assert_eq!(reason, None, "{}: {name}", path.display());
        }
    }
}

#[test]
fn no_library_is_built_with_what_belongs_to_programs() {
    for platform in PLATFORMS {
        let metadata = metadata(&["--filter-platform", platform]);
        let nodes = &metadata.resolve.as_ref().unwrap().nodes;
        let built = |kind: DependencyKind| kind != DependencyKind::Development;
        let children: BTreeMap<_, Vec<_>> = nodes
            .iter()
            .map(|node| {
                let deps = node.deps.iter().filter(|dep| dep.dep_kinds.iter().any(|kind| built(kind.kind)));
                (&node.id, deps.map(|dep| &dep.pkg).collect())
            })
            .collect();
        let mut open: Vec<_> = libraries(&metadata).map(|package| &package.id).collect();
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                open.extend(&children[id]);
                let banned = BANNED_IN_LIBRARIES.iter().find(|(name, _)| metadata[id].name == *name);
                assert_eq!(banned, None, "on {platform}");
            }
        }
        assert!(seen.len() > 50, "{}", seen.len());
    }
}

fn libraries(metadata: &Metadata) -> impl Iterator<Item = &Package> {
    metadata.workspace_packages().into_iter().filter(|package| package.name != "saffron-examples")
}

#[test]
fn no_library_names_what_has_no_place_in_one() {
    let metadata = metadata(&["--no-deps"]);
    for package in libraries(&metadata) {
        for dependency in &package.dependencies {
            let banned = BANNED_IN_MANIFESTS.iter().find(|(name, _)| dependency.name == *name);
            assert_eq!(banned, None, "{}", package.name);
        }
    }
}

/// Whether a licence expression can be met with the licences above. `MIT/Apache-2.0` is an older
/// way to write OR.
fn is_allowed(expression: &str) -> bool {
    let expression = Expression::parse_mode(expression, ParseMode::LAX).unwrap();
    expression.evaluate(|licence| {
        let licence = licence.to_string();
        LICENCES.iter().any(|(allowed, _)| *allowed == licence)
    })
}

#[test]
fn a_licence_expression_is_met_as_its_words_say() {
    for allowed in
        ["MIT", "MIT/Apache-2.0", "MIT / Apache-2.0", "GPL-3.0-only OR MIT", "MIT AND (ISC OR AGPL-3.0-only)"]
    {
        assert!(is_allowed(allowed), "{allowed}");
    }
    for refused in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "Zlib WITH LLVM-exception", "LGPL-2.1-or-later"] {
        assert!(!is_allowed(refused), "{refused}");
    }
}

/// Packages whose licence is missing or not allowed.
fn refused(metadata: &Metadata) -> Vec<String> {
    let licence = |package: &Package| {
        let clarified = CLARIFIED.iter().find(|(name, _)| package.name == *name);
        package.license.clone().or(clarified.map(|(_, licence)| (*licence).to_owned()))
    };
    let mut refused = Vec::new();
    for package in &metadata.packages {
        let licence = licence(package);
        if !licence.as_deref().is_some_and(is_allowed) {
            refused.push(format!("{} {}: {licence:?}", package.name, package.version));
        }
    }
    refused
}

#[test]
fn licences_of_what_is_built_by_default_are_allowed() {
    let metadata = metadata(&[]);
    assert!(metadata.packages.len() > 300, "{}", metadata.packages.len());
    assert_eq!(refused(&metadata), [""; 0]);
}

#[test]
#[ignore = "downloads the dependencies of every backend"]
fn licences_of_what_any_feature_builds_are_allowed() {
    let mut command = MetadataCommand::new();
    command.manifest_path(crate::root().join("Cargo.toml")).features(CargoOpt::AllFeatures);
    let metadata = command.exec().unwrap();
    assert_eq!(refused(&metadata), [""; 0]);
    for (licence, reason) in LICENCES {
        let licences = metadata.packages.iter().filter_map(|package| package.license.as_deref());
        assert!(licences.into_iter().any(|text| text.contains(licence)), "nothing has the licence {licence}: {reason}");
    }
    for (name, _) in CLARIFIED {
        let silent = metadata.packages.iter().any(|package| package.name == name && package.license.is_none());
        assert!(silent, "{name} has a licence expression, or is not used");
    }
}

/// Names in the first column of the table of dependencies.
fn table() -> BTreeSet<String> {
    let page = std::fs::read_to_string(crate::root().join("docs/ARCHITECTURE.md")).unwrap();
    let (_, section) =
        page.split_once("\n## Dependencies\n").expect("docs/ARCHITECTURE.md has the section Dependencies");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    rows.map(|(name, _)| name.to_owned()).collect()
}

/// What the manifest of a fuzz target names.
fn fuzz_dependencies(manifest: &Path) -> Vec<String> {
    let manifest: toml::Table = toml::from_str(&std::fs::read_to_string(manifest).unwrap()).unwrap();
    manifest["dependencies"].as_table().unwrap().keys().cloned().collect()
}

#[test]
fn the_table_of_dependencies_is_what_the_crates_name() {
    let metadata = metadata(&["--no-deps"]);
    let members = metadata.packages.iter().flat_map(|package| package.dependencies.iter());
    let mut named: BTreeSet<String> = members.map(|dependency| dependency.name.clone()).collect();
    for lock in &lock_files()[1..] {
        named.extend(fuzz_dependencies(&lock.with_file_name("Cargo.toml")));
    }
    named.retain(|name| !name.starts_with("saffron-"));
    assert_eq!(table(), named);
}

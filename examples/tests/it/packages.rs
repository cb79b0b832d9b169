//! What a published crate holds: read off `cargo package --list`, which builds nothing.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use cargo_metadata::{MetadataCommand, Package};

const CRATES: [&str; 5] = ["saffron-core", "saffron-kvtrie", "saffron-mrm", "saffron-search", "saffron-train"];
/// Written by cargo itself.
const GENERATED: [&str; 4] = ["Cargo.lock", "Cargo.toml", "Cargo.toml.orig", ".cargo_vcs_info.json"];
const LICENCES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];
const MAX_FILE: u64 = 64 << 10;
const MAX_PACKAGE: u64 = 5 << 18;
/// Backends that docs.rs cannot build or that nobody reads about there.
const NOT_ON_DOCS_RS: [&str; 4] = ["cuda", "wgpu", "wgpu-plain", "ndarray"];

/// The paths in a package, within its crate's folder.
fn listed(name: &str) -> Vec<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["package", "--list", "--allow-dirty", "--offline", "--package", name]).current_dir(crate::root());
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(PathBuf::from).collect()
}

#[test]
fn packages_hold_sources_licences_and_a_readme_and_nothing_else() {
    for name in CRATES {
        let folder = crate::root().join(name);
        let mut size = 0;
        let files = listed(name);
        for file in ["Cargo.toml", "README.md", "src/lib.rs"].into_iter().chain(LICENCES) {
            assert!(files.contains(&PathBuf::from(file)), "{name} packages no {file}");
        }
        for file in files.iter().filter(|file| !GENERATED.iter().any(|made| file.as_os_str() == *made)) {
            let inside = file.components().all(|part| matches!(part, Component::Normal(_)));
            let expected = file.starts_with("src")
                || file.as_os_str() == "README.md"
                || file.to_string_lossy().starts_with("LICENSE-");
            assert!(inside && expected, "{name} packages {}", file.display());
            let about = std::fs::symlink_metadata(folder.join(file)).unwrap();
            assert!(about.is_file(), "{name}: {} is a link, which some systems check out as text", file.display());
            assert!(about.len() <= MAX_FILE, "{name}: {} has {} bytes", file.display(), about.len());
            size += about.len();
        }
        assert!(size <= MAX_PACKAGE, "{name} has {size} bytes");
    }
}

#[test]
fn every_crate_has_the_repositorys_licences() {
    for name in CRATES {
        for licence in LICENCES {
            let read = |folder: PathBuf| std::fs::read(folder.join(licence)).unwrap();
            assert!(read(crate::root()) == read(crate::root().join(name)), "{name}/{licence} is not {licence}");
        }
    }
}

#[test]
fn manifests_say_what_registries_show() {
    let metadata = MetadataCommand::new().manifest_path(crate::root().join("Cargo.toml")).no_deps().exec().unwrap();
    let published: Vec<&Package> = metadata.packages.iter().filter(|package| package.publish.is_none()).collect();
    assert_eq!(published.iter().map(|package| package.name.as_str()).collect::<BTreeSet<_>>(), CRATES.into());
    for package in published {
        let name = package.name.as_str();
        assert!(package.description.as_ref().is_some_and(|text| text.len() > 20), "{name} has a description");
        assert_eq!(package.license.as_deref(), Some("MIT OR Apache-2.0"), "{name}");
        assert_eq!(package.readme.as_ref().map(|path| path.as_str()), Some("README.md"), "{name}");
        assert_eq!(package.documentation, Some(format!("https://docs.rs/{name}")), "{name}");
        let shown = package.metadata["docs"]["rs"]["features"].as_array().unwrap();
        for feature in shown.iter().map(|feature| feature.as_str().unwrap()) {
            assert!(package.features.contains_key(feature), "{name} has no feature {feature} for docs.rs");
            assert!(!NOT_ON_DOCS_RS.contains(&feature), "{name}: docs.rs builds {feature}");
        }
    }
}

/// The strings that a source file gives to a macro or an attribute.
fn paths_after<'a>(text: &'a str, opening: &str) -> Vec<&'a str> {
    text.split(opening).skip(1).map(|rest| rest.split('"').next().unwrap_or_default()).collect()
}

#[test]
fn no_source_reads_what_its_package_lacks() {
    for name in CRATES {
        let files: BTreeSet<PathBuf> = listed(name).into_iter().collect();
        for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "rs")) {
            let text = std::fs::read_to_string(crate::root().join(name).join(file)).unwrap();
            let at = format!("{name}/{}", file.display());
            assert!(!text.contains("CARGO_MANIFEST_DIR"), "{at} reads files beside its crate");
            assert!(!text.contains("concat!("), "{at} may include a file by a path that this test cannot read");
            for opening in ["include_str!(\"", "include_bytes!(\"", "include!(\"", "#[path = \""] {
                for path in paths_after(&text, opening) {
                    let path = file.parent().unwrap_or(Path::new("")).join(path);
                    assert!(files.contains(&path), "{at} takes {}, which the package lacks", path.display());
                }
            }
        }
    }
}

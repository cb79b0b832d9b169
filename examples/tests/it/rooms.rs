//! Rooms within a crate: its top-level modules. They import each other directly, and one way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const CRATES: [&str; 5] = ["saffron-core", "saffron-kvtrie", "saffron-mrm", "saffron-search", "saffron-train"];

/// A path as it is written, by its segments.
type Segments = Vec<String>;

/// What a crate's `lib.rs` declares.
struct Root {
    modules: BTreeSet<String>,
    /// Names of re-exports, each with the path that it stands for.
    exports: BTreeMap<String, Segments>,
}

/// Where a file names a path of its own crate.
struct Import {
    /// The file, from the crate's `src` on.
    file: String,
    /// The room of the file.
    room: String,
    /// The path behind `crate::`.
    path: Segments,
}

/// Words and signs of a source without its comments and the tests at its end.
fn tokens(source: &str) -> Vec<String> {
    let begins_tests = |at: &usize| {
        let code = source[*at..].lines().skip(1).find(|line| !line.starts_with("#["));
        code.is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
    };
    let end = source.match_indices("#[cfg(test)]").map(|(at, _)| at).find(begins_tests).unwrap_or(source.len());
    let source = &source[..end];
    let (mut tokens, mut word) = (Vec::new(), String::new());
    for line in source.lines() {
        for sign in line.split("//").next().unwrap_or_default().chars().chain(['\n']) {
            if sign.is_alphanumeric() || sign == '_' {
                word.push(sign);
                continue;
            }
            if !word.is_empty() {
                tokens.push(std::mem::take(&mut word));
            }
            if !sign.is_whitespace() {
                tokens.push(sign.to_string());
            }
        }
    }
    tokens
}

fn is_path_sign(tokens: &[String], at: usize) -> bool {
    matches!(tokens.get(at..at + 2), Some([one, other]) if one == ":" && other == ":")
}

/// The paths of a tree such as `a::{b, c::d as e}` that begins at a place, and the place behind it.
/// An alias stands behind the last segment.
fn tree(tokens: &[String], mut at: usize, prefix: &[String]) -> (Vec<(Segments, Option<String>)>, usize) {
    let mut path = prefix.to_vec();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                let mut paths = Vec::new();
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    let (inner, end) = tree(tokens, at, &path);
                    paths.extend(inner);
                    at = if tokens.get(end).is_some_and(|token| token == ",") { end + 1 } else { end.max(at + 1) };
                }
                return (paths, at + 1);
            }
            Some(segment) => path.push(segment.to_owned()),
            None => return (vec![(path, None)], at),
        }
        at += 1;
        if is_path_sign(tokens, at) {
            at += 2;
        } else if tokens.get(at).is_some_and(|token| token == "as") {
            return (vec![(path, tokens.get(at + 1).cloned())], at + 2);
        } else {
            return (vec![(path, None)], at);
        }
    }
}

impl Root {
    fn read(source: &str) -> Self {
        let tokens = tokens(source);
        let (mut modules, mut exports, mut depth) = (BTreeSet::new(), BTreeMap::new(), 0usize);
        let mut uses = Vec::new();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            match token.as_str() {
                "{" => depth += 1,
                "}" => depth = depth.saturating_sub(1),
                "mod" if depth == 0 => modules.extend(tokens.get(at + 1).cloned()),
                "use" if depth == 0 => {
                    let (paths, end) = tree(&tokens, at + 1, &[]);
                    uses.extend(paths);
                    at = end;
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        for (path, alias) in uses {
            let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
            if !modules.contains(&name) {
                exports.insert(name, path);
            }
        }
        Self { modules, exports }
    }

    /// The room that a path of the crate leads to.
    fn room(&self, path: &[String]) -> Option<&str> {
        let first = path.first()?;
        let first = self.exports.get(first).and_then(|path| path.first()).unwrap_or(first);
        self.modules.get(first).map(String::as_str)
    }
}

/// The paths of its own crate that a file names. `depth` counts the modules from the root to the
/// file.
fn own_paths(source: &str, depth: usize) -> Vec<Segments> {
    let tokens = tokens(source);
    let (mut paths, mut at) = (Vec::new(), 0);
    while let Some(token) = tokens.get(at) {
        let is_inner = at.checked_sub(2).is_some_and(|before| is_path_sign(&tokens, before));
        let is_macro = at.checked_sub(1).is_some_and(|before| tokens[before] == "$");
        if !["crate", "super"].contains(&token.as_str()) || is_inner || is_macro {
            at += 1;
            continue;
        }
        let (found, end) = tree(&tokens, at, &[]);
        for (path, _) in found {
            let up = path.iter().take_while(|segment| *segment == "super").count();
            let own = if up == depth { path[up..].to_vec() } else { path[1..].to_vec() };
            if (path[0] == "crate" || up == depth) && !own.is_empty() {
                paths.push(own);
            }
        }
        at = end.max(at + 1);
    }
    paths
}

fn imports(src: &Path, folder: &Path, found: &mut Vec<Import>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            imports(src, &path, found);
            continue;
        }
        let file = path.strip_prefix(src).unwrap().with_extension("").to_str().unwrap().replace('\\', "/");
        let is_test = file.rsplit('/').next().is_some_and(|name| name.ends_with("tests"));
        if path.extension().is_none_or(|end| end != "rs") || file == "lib" || is_test {
            continue;
        }
        let modules: Vec<&str> = file.strip_suffix("/mod").unwrap_or(&file).split('/').collect();
        for own in own_paths(&fs::read_to_string(&path).unwrap(), modules.len()) {
            found.push(Import { file: format!("{file}.rs"), room: modules[0].to_owned(), path: own });
        }
    }
}

fn read(name: &str) -> (Root, Vec<Import>) {
    let src = crate::root().join(name).join("src");
    let (root, mut found) = (Root::read(&fs::read_to_string(src.join("lib.rs")).unwrap()), Vec::new());
    imports(&src, &src, &mut found);
    assert!(root.modules.len() > 3 && found.len() > 10, "{name}: {} modules", root.modules.len());
    (root, found)
}

#[test]
fn modules_import_each_other_and_not_what_the_root_exports_again() {
    let mut wrong = Vec::new();
    for name in CRATES {
        let (root, imports) = read(name);
        for Import { file, path, .. } in imports {
            if let Some(direct) = root.exports.get(&path[0]) {
                wrong.push(format!("{name}/src/{file}: crate::{} is {}", path[0], direct.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} imports through a root:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn rooms_import_each_other_one_way() {
    for name in CRATES {
        let (root, imports) = read(name);
        let mut edges: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
        for Import { file, room, path } in &imports {
            if let Some(other) = root.room(path).filter(|other| other != room) {
                edges.entry(room).or_default().entry(other).or_insert(file);
            }
        }
        // Rooms that import no other are taken away until none is left, or those in circles are.
        loop {
            let left: BTreeSet<&str> = edges.keys().copied().collect();
            edges.values_mut().for_each(|others| others.retain(|other, _| left.contains(other)));
            edges.retain(|_, others| !others.is_empty());
            if edges.len() == left.len() {
                break;
            }
        }
        assert!(edges.is_empty(), "{name}: these rooms, or some of them, import each other in circles: {edges:#?}");
    }
}

#[test]
fn paths_are_read_as_they_are_written() {
    let source = "use crate::a::{B, c::D as E};\nuse super::F; // crate::no\nfn f() { crate::g::h(super::super::I) }\n\
                  #[cfg(test)]\nmod tests {\n    use crate::J;\n}\n";
    let paths = |depth| own_paths(source, depth).iter().map(|path| path.join("::")).collect::<Vec<_>>();
    assert_eq!(paths(1), ["a::B", "a::c::D", "F", "g::h"]);
    assert_eq!(paths(2), ["a::B", "a::c::D", "g::h", "I"]);
    let root = Root::read("mod a;\npub mod b;\npub use a::{C, d::E as F};\npub mod inline { pub use super::a::G; }\n");
    assert_eq!(root.modules, ["a", "b", "inline"].map(String::from).into());
    let exports: Vec<_> = root.exports.iter().map(|(name, path)| format!("{name} = {}", path.join("::"))).collect();
    assert_eq!(exports, ["C = a::C", "F = a::d::E"]);
    assert_eq!(root.room(&[String::from("F")]), Some("a"));
}

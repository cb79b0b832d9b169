//! What a path means inside a crate.

use super::source::{Crate, Target};

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Meaning {
    Module(usize),
    /// A module and the position of one of its items.
    Item(usize, usize),
    /// A path that begins with another crate.
    Foreign(Vec<String>),
}

impl Crate {
    /// What a path means in a module: one of each namespace at most, or something of another crate.
    pub(super) fn resolve(&self, module: usize, path: &[String]) -> Vec<Meaning> {
        self.path(module, path, &mut Open::new())
    }

    /// `open` holds the imports that are being followed, so that one of a crate by its own name
    /// ends.
    fn path(&self, module: usize, path: &[String], open: &mut Open) -> Vec<Meaning> {
        let Some((first, rest)) = path.split_first() else { return vec![Meaning::Module(module)] };
        let here = match first.as_str() {
            "crate" => vec![Meaning::Module(0)],
            "self" => vec![Meaning::Module(module)],
            "super" => vec![Meaning::Module(self.modules[module].parent.expect("a module has one above it"))],
            _ => self.name(module, first, open),
        };
        if here.is_empty() {
            return vec![Meaning::Foreign(path.to_vec())];
        }
        here.into_iter().flat_map(|meaning| self.within(meaning, rest, open)).collect()
    }

    fn within(&self, meaning: Meaning, rest: &[String], open: &mut Open) -> Vec<Meaning> {
        let Some((first, deeper)) = rest.split_first() else { return vec![meaning] };
        match meaning {
            Meaning::Module(module) if first == "super" => self.path(module, rest, open),
            Meaning::Module(module) => {
                let found = self.name(module, first, open);
                found.into_iter().flat_map(|meaning| self.within(meaning, deeper, open)).collect()
            }
            Meaning::Foreign(path) => vec![Meaning::Foreign([&path, rest].concat())],
            // Variants and associated items are lines of their item's.
            Meaning::Item(..) => Vec::new(),
        }
    }

    /// What a module binds a name to, itself or through its globs.
    fn name(&self, module: usize, name: &str, open: &mut Open) -> Vec<Meaning> {
        let mut found = Vec::new();
        for (at, binding) in self.modules[module].names.get(name).into_iter().flatten().enumerate() {
            found.extend(self.target(Step::Name(module, name.to_owned(), at), &binding.target, open));
        }
        if found.is_empty() {
            for (at, glob) in self.modules[module].globs.iter().enumerate() {
                let step = Step::Glob(module, at);
                if open.contains(&step) {
                    continue;
                }
                open.push(step);
                for source in self.path(module, &glob.path, open) {
                    if let Meaning::Module(source) = source {
                        found.extend(self.name(source, name, open));
                    }
                }
                open.pop();
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// What one binding of a module stands for.
    pub(super) fn binding(&self, module: usize, name: &str, at: usize) -> Vec<Meaning> {
        let target = &self.modules[module].names[name][at].target;
        self.target(Step::Name(module, name.to_owned(), at), target, &mut Open::new())
    }

    fn target(&self, step: Step, target: &Target, open: &mut Open) -> Vec<Meaning> {
        let Target::Import(path) = target else {
            return match *target {
                Target::Module(child) => vec![Meaning::Module(child)],
                Target::Item(module, item) => vec![Meaning::Item(module, item)],
                Target::Import(_) => Vec::new(),
            };
        };
        if open.contains(&step) {
            return Vec::new();
        }
        let (Step::Name(module, ..) | Step::Glob(module, _)) = step;
        open.push(step);
        let found = self.path(module, path, open);
        open.pop();
        found
    }
}

type Open = Vec<Step>;

/// An import that is being followed.
#[derive(PartialEq)]
enum Step {
    Name(usize, String, usize),
    Glob(usize, usize),
}

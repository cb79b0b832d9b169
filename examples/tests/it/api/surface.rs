//! What a crate's users can name: the shortest path of each item, and its other paths.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::conditions::Conditions;
use super::resolve::Meaning;
use super::source::{Binding, Crate, Target};

/// Public modules and items, each by its first path; and every further name.
pub(super) struct Surface<'a> {
    pub(super) of: &'a Crate,
    pub(super) paths: BTreeMap<Meaning, (Vec<String>, Conditions)>,
    /// Other names of own items, and names of other crates' items: the name, its conditions and
    /// what it stands for.
    pub(super) aliases: BTreeSet<(Vec<String>, Conditions, String)>,
}

impl<'a> Surface<'a> {
    /// Goes from the root outwards.
    pub(super) fn of(of: &'a Crate) -> Self {
        let mut surface = Self { of, paths: BTreeMap::new(), aliases: BTreeSet::new() };
        let mut names = Vec::new();
        let mut open = VecDeque::from([(0, Vec::new(), Conditions::default())]);
        let mut seen = BTreeSet::from([0]);
        while let Some((module, path, conditions)) = open.pop_front() {
            for (name, meaning, own) in surface.public_names(module, &mut BTreeSet::new()) {
                let path = [&path[..], &[name]].concat();
                let conditions = conditions.and(&own);
                if let Meaning::Module(child) = meaning
                    && seen.insert(child)
                {
                    open.push_back((child, path.clone(), conditions.clone()));
                }
                names.push((path, meaning, conditions));
            }
        }
        // Shortest first, an item's own name before others, a prelude last.
        names.sort_by_cached_key(|(path, meaning, _)| {
            let renamed = surface.of.own_name(meaning).as_ref() != path.last();
            (path.contains(&"prelude".to_owned()), path.len(), renamed, path.clone())
        });
        for (path, meaning, conditions) in names {
            surface.enter(path, meaning, conditions);
        }
        surface
    }

    /// Where users find something of the crate's; `None` for what they cannot name.
    pub(super) fn path(&self, meaning: &Meaning) -> Option<String> {
        self.paths.get(meaning).map(|(path, _)| path.join("::"))
    }

    /// Under which conditions something is there, by its path.
    pub(super) fn conditions_of(&self, path: &str) -> Conditions {
        let found = self.paths.values().find(|(known, _)| known.join("::") == path);
        found.map(|(_, conditions)| conditions.clone()).unwrap_or_default()
    }

    fn enter(&mut self, path: Vec<String>, meaning: Meaning, conditions: Conditions) {
        if let Meaning::Foreign(foreign) = &meaning {
            self.aliases.insert((path, conditions, foreign.join("::")));
        } else if let Some((first, _)) = self.paths.get(&meaning) {
            self.aliases.insert((path, conditions, format!("crate::{}", first.join("::"))));
        } else {
            self.paths.insert(meaning, (path, conditions));
        }
    }

    /// The public names of a module, those of its public globs among them.
    fn public_names(&self, module: usize, open: &mut BTreeSet<usize>) -> Vec<(String, Meaning, Conditions)> {
        if !open.insert(module) {
            return Vec::new();
        }
        let own = &self.of.modules[module];
        let mut found = Vec::new();
        for (name, bindings) in &own.names {
            for (at, binding) in bindings.iter().enumerate().filter(|(_, binding)| binding.public) {
                self.meanings(module, name, (at, binding), &mut found);
            }
        }
        for glob in own.globs.iter().filter(|glob| glob.public) {
            for source in self.of.resolve(module, &glob.path) {
                match source {
                    Meaning::Module(source) => {
                        for (name, meaning, conditions) in self.public_names(source, open) {
                            // A name of the module's own hides a glob's.
                            if !own.names.contains_key(&name) {
                                found.push((name, meaning, conditions.and(&glob.conditions)));
                            }
                        }
                    }
                    Meaning::Foreign(mut path) => {
                        path.push("*".into());
                        found.push((format!("* of {}", path[0]), Meaning::Foreign(path), glob.conditions.clone()));
                    }
                    Meaning::Item(..) => panic!("{}: a public glob of an enum is not listed", glob.path.join("::")),
                }
            }
        }
        open.remove(&module);
        found
    }

    fn meanings(
        &self,
        module: usize,
        name: &str,
        (at, binding): (usize, &Binding),
        found: &mut Vec<(String, Meaning, Conditions)>,
    ) {
        for meaning in self.of.binding(module, name, at) {
            // An import names what is public of it: a private namesake in another namespace is not.
            if self.is_public(&meaning) {
                let conditions = binding.conditions.and(&self.conditions(&meaning));
                found.push((name.to_owned(), meaning, conditions));
            }
        }
    }

    /// Under which conditions something is there, where it is defined.
    fn conditions(&self, meaning: &Meaning) -> Conditions {
        match *meaning {
            Meaning::Foreign(_) => Conditions::default(),
            Meaning::Module(module) => self.of.modules[module].conditions.clone(),
            Meaning::Item(module, item) => {
                let module = &self.of.modules[module];
                module.conditions.and(&module.items[item].conditions)
            }
        }
    }

    /// Whether something is `pub` where it is defined.
    fn is_public(&self, meaning: &Meaning) -> bool {
        let bindings = self.of.modules.iter().flat_map(|module| module.names.values().flatten());
        let mut public = bindings.filter(|binding| binding.public);
        match *meaning {
            Meaning::Foreign(_) | Meaning::Module(0) => true,
            Meaning::Module(module) => {
                public.any(|binding| matches!(binding.target, Target::Module(at) if at == module))
            }
            Meaning::Item(module, item) => public.any(
                |binding| matches!(binding.target, Target::Item(in_module, at) if (in_module, at) == (module, item)),
            ),
        }
    }
}

//! The source of one crate as modules: which names each binds, and which blocks implement
//! something.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use syn::{Attribute, Expr, Item, Lit, Meta, MetaNameValue, UseTree, Visibility};

use super::conditions::Conditions;
use super::resolve::Meaning;

/// A crate's modules; the first is its root.
pub(super) struct Crate {
    pub(super) modules: Vec<Module>,
}

#[derive(Default)]
pub(super) struct Module {
    pub(super) parent: Option<usize>,
    /// What a file or block is compiled under.
    pub(super) conditions: Conditions,
    pub(super) items: Vec<Defined>,
    pub(super) names: BTreeMap<String, Vec<Binding>>,
    pub(super) globs: Vec<Import>,
}

/// An item with the conditions of its own.
pub(super) struct Defined {
    pub(super) item: Item,
    pub(super) conditions: Conditions,
}

/// A name in a module and what it stands for.
#[derive(Clone)]
pub(super) struct Binding {
    pub(super) public: bool,
    pub(super) conditions: Conditions,
    pub(super) target: Target,
}

#[derive(Clone)]
pub(super) enum Target {
    Module(usize),
    /// An item by its module and its position there.
    Item(usize, usize),
    Import(Vec<String>),
}

/// `use path::*`
pub(super) struct Import {
    pub(super) public: bool,
    pub(super) conditions: Conditions,
    pub(super) path: Vec<String>,
}

impl Crate {
    /// Reads the library in a folder. Panics where a file is missing or is not Rust: the crate
    /// would not build either.
    pub(super) fn read(folder: &Path) -> Self {
        let mut read = Self { modules: Vec::new() };
        let items = parse(&folder.join("src/lib.rs")).items;
        read.add(None, Conditions::default(), items, &folder.join("src"));
        read
    }

    /// The name that something has where it is defined.
    pub(super) fn own_name(&self, meaning: &Meaning) -> Option<String> {
        match meaning {
            Meaning::Item(module, item) => name_of(&self.modules[*module].items[*item].item).map(|(name, _)| name),
            Meaning::Module(_) | Meaning::Foreign(_) => None,
        }
    }

    /// Adds a module with all below it; `folder` is where the files of its child modules are.
    fn add(&mut self, parent: Option<usize>, conditions: Conditions, items: Vec<Item>, folder: &Path) -> usize {
        let place = self.modules.len();
        self.modules.push(Module { parent, conditions: conditions.clone(), ..Module::default() });
        for item in items {
            let Some(own) = Conditions::of(attributes_of(&item)) else { continue };
            match item {
                Item::Mod(module) => {
                    let (name, public) = (module.ident.to_string(), is_public(&module.vis));
                    let (items, inside) = match module.content {
                        Some((_, items)) => (items, folder.join(&name)),
                        None => {
                            let (file, inside) = file_of(folder, &name, &module.attrs);
                            (parse(&file).items, inside)
                        }
                    };
                    let child = self.add(Some(place), conditions.and(&own), items, &inside);
                    self.bind(place, &name, public, &own, Target::Module(child));
                }
                Item::Use(item) => {
                    let mut path = Vec::new();
                    self.import(place, is_public(&item.vis), &own, &item.tree, &mut path);
                }
                item => self.define(place, item, &own),
            }
        }
        place
    }

    fn define(&mut self, module: usize, item: Item, conditions: &Conditions) {
        let at = self.modules[module].items.len();
        if let Some((name, public)) = name_of(&item) {
            // An exported macro is a name of the crate's root, wherever it is written.
            let place = if public && matches!(&item, Item::Macro(_)) { 0 } else { module };
            self.bind(place, &name, public, conditions, Target::Item(module, at));
        }
        self.modules[module].items.push(Defined { item, conditions: conditions.clone() });
    }

    fn import(&mut self, module: usize, public: bool, own: &Conditions, tree: &UseTree, path: &mut Vec<String>) {
        let depth = path.len();
        match tree {
            UseTree::Path(inner) => {
                path.push(inner.ident.to_string());
                self.import(module, public, own, &inner.tree, path);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(module, public, own, tree, path);
                }
            }
            UseTree::Name(name) => {
                if name.ident != "self" {
                    path.push(name.ident.to_string());
                }
                let bound = path.last().cloned().unwrap_or_default();
                self.bind(module, &bound, public, own, Target::Import(path.clone()));
            }
            UseTree::Rename(name) => {
                if name.ident != "self" {
                    path.push(name.ident.to_string());
                }
                self.bind(module, &name.rename.to_string(), public, own, Target::Import(path.clone()));
            }
            UseTree::Glob(_) => {
                let import = Import { public, conditions: own.clone(), path: path.clone() };
                self.modules[module].globs.push(import);
            }
        }
        path.truncate(depth);
    }

    fn bind(&mut self, module: usize, name: &str, public: bool, conditions: &Conditions, target: Target) {
        let binding = Binding { public, conditions: conditions.clone(), target };
        self.modules[module].names.entry(name.to_owned()).or_default().push(binding);
    }
}

fn parse(path: &Path) -> syn::File {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A module's file, and the folder of its children's.
fn file_of(folder: &Path, name: &str, attributes: &[Attribute]) -> (PathBuf, PathBuf) {
    for attribute in attributes {
        if let Meta::NameValue(MetaNameValue { path, value: Expr::Lit(value), .. }) = &attribute.meta
            && path.is_ident("path")
            && let Lit::Str(named) = &value.lit
        {
            // Beside the file that says so, where that is a `mod.rs` or the root; otherwise the
            // file is not found.
            return (folder.join(named.value()), folder.to_owned());
        }
    }
    let inside = folder.join(name);
    let own = inside.join("mod.rs");
    (if own.exists() { own } else { folder.join(format!("{name}.rs")) }, inside)
}

pub(super) fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The name that an item binds, and whether it is public.
fn name_of(item: &Item) -> Option<(String, bool)> {
    let (name, public) = match item {
        Item::Const(item) => (&item.ident, is_public(&item.vis)),
        Item::Enum(item) => (&item.ident, is_public(&item.vis)),
        Item::Fn(item) => (&item.sig.ident, is_public(&item.vis)),
        Item::Static(item) => (&item.ident, is_public(&item.vis)),
        Item::Struct(item) => (&item.ident, is_public(&item.vis)),
        Item::Trait(item) => (&item.ident, is_public(&item.vis)),
        Item::TraitAlias(item) => (&item.ident, is_public(&item.vis)),
        Item::Type(item) => (&item.ident, is_public(&item.vis)),
        Item::Union(item) => (&item.ident, is_public(&item.vis)),
        Item::Macro(item) => {
            let exported = item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export"));
            (item.ident.as_ref()?, exported)
        }
        _ => return None,
    };
    Some((name.to_string(), public))
}

pub(super) fn attributes_of(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

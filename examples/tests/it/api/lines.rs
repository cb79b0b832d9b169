//! One line an item: what it is, its path, its signature.

use std::collections::{BTreeMap, BTreeSet};

use quote::ToTokens;
use syn::{Fields, ImplItem, Item, ItemImpl, TraitItem, Type};

use super::conditions::Conditions;
use super::resolve::Meaning;
use super::signature::{bounds, derived, function, marks, parameters, shape};
use super::source::{Crate, attributes_of, is_public};
use super::surface::Surface;
use super::tokens::text;

/// What a crate offers, line by line, and how much of it there is.
#[derive(Default)]
pub(super) struct Listing {
    /// Sorted by the path of the item that a line belongs to, then in the order of the source.
    pub(super) entries: Vec<Entry>,
    pub(super) items: usize,
    pub(super) methods: usize,
    pub(super) reexports: usize,
}

pub(super) struct Entry {
    /// The path of the item, without the crate's name.
    pub(super) item: String,
    pub(super) kind: Kind,
    pub(super) line: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    Item,
    /// A field, a variant, an item of a trait.
    Part,
    Method,
    Implementation,
    Reexport,
}

impl Entry {
    /// Parts stand in the order of the source; everything else is sorted, so that code can be moved
    /// about.
    fn place(&self) -> (&str, Kind, &str) {
        (&self.item, self.kind, if self.kind == Kind::Part { "" } else { &self.line })
    }
}

impl Listing {
    pub(super) fn of(source: &Crate) -> Self {
        let surface = Surface::of(source);
        let mut listing = Self::default();
        for (meaning, (path, conditions)) in &surface.paths {
            listing.item(source, meaning, &path.join("::"), conditions);
        }
        for (path, conditions, of) in &surface.aliases {
            let path = path.join("::");
            listing.add(&path, Kind::Reexport, format!("{conditions}use {path} = {of}"));
        }
        listing.implementations(&surface);
        listing.entries.sort_by(|a, b| a.place().cmp(&b.place()));
        let count = |kind| listing.entries.iter().filter(|entry| entry.kind == kind).count();
        (listing.items, listing.methods, listing.reexports) =
            (count(Kind::Item), count(Kind::Method), count(Kind::Reexport));
        listing
    }

    fn add(&mut self, item: &str, kind: Kind, line: String) {
        self.entries.push(Entry { item: item.to_owned(), kind, line });
    }

    fn item(&mut self, source: &Crate, meaning: &Meaning, path: &str, conditions: &Conditions) {
        let Meaning::Item(module, at) = *meaning else {
            return self.add(path, Kind::Item, format!("{conditions}mod {path}"));
        };
        let item = &source.modules[module].items[at].item;
        let head = format!("{conditions}{}", marks(attributes_of(item)));
        let line = match item {
            Item::Const(item) => format!("const {path}: {}", text(&item.ty)),
            Item::Static(item) => format!("static {path}: {}", text(&item.ty)),
            Item::Fn(item) => function(path, &item.sig),
            Item::Type(item) => format!("type {path}{} = {}", parameters(&item.generics), text(&item.ty)),
            Item::Macro(_) => format!("macro {path}!"),
            Item::Enum(item) => format!("enum {path}{}{}", parameters(&item.generics), bounds(&item.generics)),
            Item::Union(item) => format!("union {path}{}{}", parameters(&item.generics), bounds(&item.generics)),
            Item::Struct(item) => {
                format!(
                    "struct {path}{}{}{}",
                    parameters(&item.generics),
                    shape(&item.fields, false),
                    bounds(&item.generics)
                )
            }
            Item::Trait(item) => {
                let above =
                    if item.supertraits.is_empty() { String::new() } else { format!(": {}", text(&item.supertraits)) };
                let safety = item.unsafety.map_or("", |_| "unsafe ");
                format!("{safety}trait {path}{}{above}{}", parameters(&item.generics), bounds(&item.generics))
            }
            other => panic!("{path}: this listing does not know {}", text(other)),
        };
        self.add(path, Kind::Item, head + &line);
        self.parts(item, path);
    }

    fn parts(&mut self, item: &Item, path: &str) {
        match item {
            Item::Struct(item) => self.fields(&item.fields, path),
            Item::Enum(item) => {
                for variant in &item.variants {
                    let Some(conditions) = Conditions::of(&variant.attrs) else { continue };
                    let name = format!("{path}::{}", variant.ident);
                    let head = format!("{conditions}{}", marks(&variant.attrs));
                    let line = format!("{head}{name}{}", shape(&variant.fields, true));
                    self.add(path, Kind::Part, line);
                }
            }
            Item::Trait(item) => {
                for part in &item.items {
                    self.trait_item(part, path);
                }
            }
            _ => {}
        }
    }

    /// Public fields of a struct, a line each.
    fn fields(&mut self, fields: &Fields, path: &str) {
        let Fields::Named(fields) = fields else { return };
        for field in fields.named.iter().filter(|field| is_public(&field.vis)) {
            let (Some(conditions), Some(name)) = (Conditions::of(&field.attrs), &field.ident) else { continue };
            let line = format!("{conditions}{}{path}.{name}: {}", marks(&field.attrs), text(&field.ty));
            self.add(path, Kind::Part, line);
        }
    }

    fn trait_item(&mut self, part: &TraitItem, path: &str) {
        let (attributes, line) = match part {
            TraitItem::Fn(part) => {
                let provided = if part.default.is_some() { " { .. }" } else { "" };
                let name = format!("{path}::{}", part.sig.ident);
                (&part.attrs, function(&name, &part.sig) + provided)
            }
            TraitItem::Const(part) => {
                let provided = if part.default.is_some() { " = .." } else { "" };
                (&part.attrs, format!("const {path}::{}: {}{provided}", part.ident, text(&part.ty)))
            }
            TraitItem::Type(part) => {
                let bounds = if part.bounds.is_empty() { String::new() } else { format!(": {}", text(&part.bounds)) };
                let line = format!("type {path}::{}{}{bounds}", part.ident, parameters(&part.generics));
                (&part.attrs, line)
            }
            other => panic!("{path}: this listing does not know {}", text(other)),
        };
        if let Some(conditions) = Conditions::of(attributes) {
            self.add(path, Kind::Part, format!("{conditions}{}{line}", marks(attributes)));
        }
    }

    /// Inherent methods a line each, implemented traits a line a type.
    fn implementations(&mut self, surface: &Surface<'_>) {
        let mut traits: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (meaning, (path, _)) in &surface.paths {
            if let Meaning::Item(module, at) = *meaning {
                let item = &surface.of.modules[module].items[at].item;
                traits.entry(path.join("::")).or_default().extend(derived(attributes_of(item)));
            }
        }
        for (place, module) in surface.of.modules.iter().enumerate() {
            for defined in &module.items {
                let conditions = module.conditions.and(&defined.conditions);
                match &defined.item {
                    Item::Impl(block) => self.block(surface, place, block, &conditions, &mut traits),
                    Item::Macro(made) if made.ident.is_some() => {
                        let body = text(&made.mac.tokens);
                        assert!(!body.contains("pub "), "this listing does not see what a macro makes public: {body}");
                    }
                    Item::Macro(call) => {
                        let name = call.mac.path.to_token_stream().to_string();
                        let line = format!("{conditions}impl by {name}!({})", text(&call.mac.tokens));
                        self.add(&name, Kind::Implementation, line);
                    }
                    _ => {}
                }
            }
        }
        for (path, traits) in traits.into_iter().filter(|(_, traits)| !traits.is_empty()) {
            let traits: Vec<String> = traits.into_iter().collect();
            self.add(&path, Kind::Implementation, format!("impl {} for {path}", traits.join(" + ")));
        }
    }

    fn block(
        &mut self,
        surface: &Surface<'_>,
        module: usize,
        block: &ItemImpl,
        conditions: &Conditions,
        traits: &mut BTreeMap<String, BTreeSet<String>>,
    ) {
        let own = owner(surface, module, &block.self_ty);
        let Some((_, of, _)) = &block.trait_ else {
            if let Owner::Public(path) = own {
                self.methods(&path, block, conditions);
            }
            return;
        };
        let names: Vec<String> = of.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let of_crate = match surface.of.resolve(module, &names).first() {
            Some(Meaning::Foreign(_)) | None => None,
            Some(meaning) => Some(surface.path(meaning)),
        };
        let name = text(&of.segments.last());
        let item = match (own, of_crate) {
            // A type or a trait that users cannot name.
            (Owner::Private, _) | (_, Some(None)) | (Owner::Foreign, None) => return,
            (Owner::Public(path), _) if block.generics.params.is_empty() && arguments(&block.self_ty).is_empty() => {
                // Conditions that the type has itself say nothing here.
                let own = surface.conditions_of(&path);
                traits.entry(path).or_default().insert(format!("{}{name}", conditions.without(&own)));
                return;
            }
            (Owner::Public(path), _) | (Owner::Foreign, Some(Some(path))) => path,
        };
        let (generics, of) = (parameters(&block.generics), text(&block.self_ty));
        let line = format!("{conditions}impl{generics} {name} for {of}{}", bounds(&block.generics));
        self.add(&item, Kind::Implementation, line);
    }

    fn methods(&mut self, path: &str, block: &ItemImpl, conditions: &Conditions) {
        let owner = format!("{path}{}", arguments(&block.self_ty));
        let generics = parameters(&block.generics);
        let of =
            if generics.is_empty() { String::new() } else { format!("impl{generics}{} ", bounds(&block.generics)) };
        for item in &block.items {
            let (attributes, line) = match item {
                ImplItem::Fn(item) if is_public(&item.vis) => {
                    let name = format!("{owner}::{}", item.sig.ident);
                    (&item.attrs, function(&name, &item.sig))
                }
                ImplItem::Const(item) if is_public(&item.vis) => {
                    (&item.attrs, format!("const {owner}::{}: {}", item.ident, text(&item.ty)))
                }
                ImplItem::Macro(call) => panic!("{path}: this listing does not see into {}", text(call)),
                _ => continue,
            };
            if let Some(own) = Conditions::of(attributes) {
                let line = format!("{}{}{of}{line}", conditions.and(&own), marks(attributes));
                self.add(path, Kind::Method, line);
            }
        }
    }
}

/// What a block is for.
enum Owner {
    /// A type of the crate's, by its public path.
    Public(String),
    Private,
    /// Another crate's type, a reference, a parameter.
    Foreign,
}

fn owner(surface: &Surface<'_>, module: usize, of: &Type) -> Owner {
    let Type::Path(of) = of else { return Owner::Foreign };
    let names: Vec<String> = of.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    let meanings = surface.of.resolve(module, &names);
    let is_type = |meaning: &&Meaning| match meaning {
        Meaning::Item(module, at) => {
            let item = &surface.of.modules[*module].items[*at].item;
            matches!(item, Item::Struct(_) | Item::Enum(_) | Item::Union(_) | Item::Type(_) | Item::Trait(_))
        }
        _ => false,
    };
    meanings
        .iter()
        .find(is_type)
        .map_or(Owner::Foreign, |meaning| surface.path(meaning).map_or(Owner::Private, Owner::Public))
}

/// The arguments of a type that are written out: `<u8>`; none where they are the block's own
/// parameters' names or lifetimes.
fn arguments(of: &Type) -> String {
    let Type::Path(of) = of else { return String::new() };
    of.path.segments.last().map_or_else(String::new, |segment| text(&segment.arguments))
}

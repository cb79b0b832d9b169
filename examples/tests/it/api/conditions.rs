//! What `#[cfg]` says of an item, for a library as its users build it.

use std::collections::BTreeSet;

use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Token};

use super::tokens::text;

/// The conditions under which an item is there, as they are written; none for one that always is.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Conditions(BTreeSet<String>);

impl Conditions {
    /// Those of an item; `None` for one that a library's users never have (`cfg(test)` and the
    /// like).
    pub(super) fn of(attributes: &[Attribute]) -> Option<Self> {
        let mut found = BTreeSet::new();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")) {
            let condition: Meta = attribute.parse_args().unwrap();
            match holds(&condition) {
                Some(true) => {}
                Some(false) => return None,
                None => {
                    found.insert(text(&condition));
                }
            }
        }
        Some(Self(found))
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    pub(super) fn without(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).cloned().collect())
    }
}

/// `#[cfg(…)] ` before what it belongs to.
impl std::fmt::Display for Conditions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|condition| write!(f, "#[cfg({condition})] "))
    }
}

/// Whether a condition holds for every user, for none, or depends (`None`).
fn holds(condition: &Meta) -> Option<bool> {
    let parts = |list: &syn::MetaList| {
        let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).unwrap();
        parts.iter().map(holds).collect::<Vec<_>>()
    };
    match condition {
        Meta::Path(path) if ["test", "doctest", "loom"].iter().any(|name| path.is_ident(name)) => Some(false),
        Meta::List(list) if list.path.is_ident("not") => parts(list)[0].map(|held| !held),
        Meta::List(list) if list.path.is_ident("all") => {
            let parts = parts(list);
            if parts.contains(&Some(false)) { Some(false) } else { all_known(&parts) }
        }
        Meta::List(list) if list.path.is_ident("any") => {
            let parts = parts(list);
            if parts.contains(&Some(true)) { Some(true) } else { all_known(&parts).map(|_| false) }
        }
        _ => None,
    }
}

fn all_known(parts: &[Option<bool>]) -> Option<bool> {
    parts.iter().all(Option::is_some).then_some(true)
}

//! Signatures, bounds and attributes as text.

use syn::{Attribute, Field, Fields, FnArg, Generics, Pat, Signature};

use super::source::is_public;
use super::tokens::text;

pub(super) fn function(path: &str, signature: &Signature) -> String {
    let mut before = String::new();
    for (there, word) in [
        (signature.constness.is_some(), "const "),
        (signature.asyncness.is_some(), "async "),
        (signature.unsafety.is_some(), "unsafe "),
    ] {
        before.push_str(if there { word } else { "" });
    }
    let inputs: Vec<String> = signature.inputs.iter().map(argument).collect();
    let result = text(&signature.output);
    let result = if result.is_empty() { result } else { format!(" {result}") };
    let generics = parameters(&signature.generics);
    format!("{before}fn {path}{generics}({}){result}{}", inputs.join(", "), bounds(&signature.generics))
}

/// An argument without what concerns the body alone: attributes, and whether its name may be
/// changed.
fn argument(argument: &FnArg) -> String {
    let mut argument = argument.clone();
    match &mut argument {
        FnArg::Receiver(input) => {
            input.attrs.clear();
            if input.reference.is_none() {
                input.mutability = None;
            }
        }
        FnArg::Typed(input) => {
            input.attrs.clear();
            if let Pat::Ident(name) = &mut *input.pat {
                name.mutability = None;
            }
        }
    }
    text(&argument)
}

pub(super) fn parameters(generics: &Generics) -> String {
    let mut generics = generics.clone();
    generics.where_clause = None;
    text(&generics).replace(",>", ">")
}

pub(super) fn bounds(generics: &Generics) -> String {
    let Some(bounds) = &generics.where_clause else { return String::new() };
    let bounds = text(bounds);
    format!(" {}", bounds.strip_suffix(',').unwrap_or(&bounds))
}

/// How a struct or a variant is built: the types of a tuple, or that there are private fields. A
/// variant's are all public.
pub(super) fn shape(fields: &Fields, of_variant: bool) -> String {
    let visible = |field: &Field| of_variant || is_public(&field.vis);
    match fields {
        Fields::Unit => String::new(),
        Fields::Unnamed(fields) => {
            let shown = |field: &Field| if visible(field) { text(&field.ty) } else { "_".into() };
            let types: Vec<String> = fields.unnamed.iter().map(shown).collect();
            format!("({})", types.join(", "))
        }
        Fields::Named(fields) if of_variant => {
            let shown = |field: &Field| format!("{}: {}", text(&field.ident), text(&field.ty));
            let fields: Vec<String> = fields.named.iter().map(shown).collect();
            format!(" {{ {} }}", fields.join(", ")).replace("  ", " ")
        }
        Fields::Named(fields) if fields.named.iter().all(visible) => " { }".into(),
        Fields::Named(_) => " { .. }".into(),
    }
}

/// Attributes that users feel.
pub(super) fn marks(attributes: &[Attribute]) -> String {
    let felt = ["non_exhaustive", "must_use", "deprecated"];
    let mut found: Vec<&str> =
        felt.into_iter().filter(|name| attributes.iter().any(|attribute| attribute.path().is_ident(name))).collect();
    if attributes.iter().any(|attribute| attribute.path().is_ident("doc") && text(attribute).contains("(hidden)")) {
        found.push("doc(hidden)");
    }
    found.into_iter().map(|name| format!("#[{name}] ")).collect()
}

pub(super) fn derived(attributes: &[Attribute]) -> Vec<String> {
    let mut names = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("derive")) {
        attribute
            .parse_nested_meta(|derived| {
                names.extend(derived.path.segments.last().map(|segment| segment.ident.to_string()));
                Ok(())
            })
            .unwrap();
    }
    names
}

//! Jailbreak templates from a file.

use std::path::Path;

use super::fill::{Placeholder, fill};
use super::{Attack, AttackError};
use crate::eval::data::{Columns, DataError, Dataset, Format, Item, read};

/// A jailbreak template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Unique in its file: the row's number from 0.
    pub id: String,
    /// The text around the prompt.
    pub text: String,
}

impl Template {
    /// The template as an attack.
    #[must_use]
    pub fn attack(&self) -> Attack {
        Attack::Template { text: self.text.clone() }
    }
}

/// Reads templates: rows with a column `text` in any of the containers of [`read`], or a text file with a template a line.
///
/// # Errors
///
/// As [`read`]. Whether a template has a place for the prompt shows when it is used.
pub fn read_templates(path: impl AsRef<Path>) -> Result<Vec<Template>, DataError> {
    let data = read(path, &Format::Columns(Columns::new("text")))?;
    Ok(data.items.into_iter().map(|item| Template { id: item.id, text: item.prompt }).collect())
}

impl Dataset {
    /// Every item under every template, item by item. The new ids are `item/template`; all else of an item stays.
    ///
    /// # Errors
    ///
    /// A template without a place for the prompt.
    pub fn under_templates(self, templates: &[Template]) -> Result<Self, AttackError> {
        let pairs = self.items.iter().flat_map(|item| templates.iter().map(move |template| (item, template)));
        let items: Result<Vec<Item>, AttackError> = pairs.map(|(item, template)| under(item, template)).collect();
        Ok(Self { items: items?, origin: self.origin })
    }
}

fn under(item: &Item, template: &Template) -> Result<Item, AttackError> {
    let prompt = filled(&template.text, &item.prompt)?;
    Ok(Item { id: format!("{}/{}", item.id, template.id), prompt, ..item.clone() })
}

/// The template around a prompt.
pub(super) fn filled(template: &str, prompt: &str) -> Result<String, AttackError> {
    let places = ["{prompt}", "[INSERT PROMPT HERE]"].map(|mark| Placeholder { mark, text: prompt });
    let filled = fill(template, &places);
    match filled.places {
        0 => Err(AttackError::NoPlace { beginning: template.chars().take(40).collect() }),
        _ => Ok(filled.text),
    }
}

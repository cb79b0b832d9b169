//! Jailbreak templates from a file.

use std::path::Path;

use super::{Attack, AttackError};
use crate::eval::data::{Choice, Columns, DataError, DataLimits, Dataset, Format, Item, Place, placed};

/// A jailbreak template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Unique in its file: the row's number from 0.
    pub id: String,
    /// The text around the prompt.
    pub text: String,
    /// Where it begins in its file.
    pub place: Place,
}

/// The column that templates stand in unless another is named.
const COLUMN: &str = "text";

impl Template {
    /// The template as an attack.
    #[must_use]
    pub fn attack(&self) -> Attack {
        Attack::Template { text: self.text.clone() }
    }
}

/// Reads templates: rows with a column `text` in any of the containers of [`read`](crate::eval::data::read), or a text file with a template a line.
///
/// # Errors
///
/// As [`read`](crate::eval::data::read). Whether a template has a place for the prompt shows when it is used.
pub fn read_templates(path: impl AsRef<Path>) -> Result<Vec<Template>, DataError> {
    read_templates_in(path, COLUMN)
}

/// Reads templates that stand in a column of another name; see [`Columns::prompt`] for what that may be.
///
/// # Errors
///
/// As [`read_templates`].
pub fn read_templates_in(path: impl AsRef<Path>, column: &str) -> Result<Vec<Template>, DataError> {
    let format = Format::Columns(Columns::new(column));
    let (items, _) = placed(path.as_ref(), &format, &Choice::default(), DataLimits::default())?;
    Ok(items.into_iter().map(|(item, place)| Template { id: item.id, text: item.prompt, place }).collect())
}

impl Dataset {
    /// Every item under every template, item by item. The new ids are `item/template`; the question
    /// of an item is kept beside its new prompt, and all else stays.
    ///
    /// # Errors
    ///
    /// A template without a place for the prompt, or with an unknown one:
    /// [`AttackError::Template`].
    pub fn under_templates(self, templates: &[Template]) -> Result<Self, AttackError> {
        let pairs = self.items.iter().flat_map(|item| templates.iter().map(move |template| (item, template)));
        let items: Result<Vec<Item>, AttackError> = pairs.map(|(item, template)| under(item, template)).collect();
        Ok(Self { items: items?, ..self })
    }
}

fn under(item: &Item, template: &Template) -> Result<Item, AttackError> {
    let failed =
        |error| AttackError::Template { id: template.id.clone(), place: template.place, source: Box::new(error) };
    let prompt = filled(&template.text, item, &item.prompt, item.is_attacked()).map_err(failed)?;
    let question = Some(item.question().to_owned());
    let id = format!("{}/{}", item.id, template.id);
    Ok(Item { id, prompt, question, template: Some(template.id.clone()), ..item.clone() })
}

/// The template around an item's question. `changed`: whether `attacked`, the prompt so far, is
/// another than that.
pub(super) fn filled(template: &str, item: &Item, attacked: &str, changed: bool) -> Result<String, AttackError> {
    let filled = super::filled(template, item, attacked)?;
    let beginning = || template.chars().take(40).collect();
    match (filled.own, filled.attacked) {
        (0, 0) => Err(AttackError::NoPlace { beginning: beginning() }),
        (_, 0) if changed => Err(AttackError::Drops { beginning: beginning() }),
        _ => Ok(filled.text),
    }
}

//! What a reward model asks for: a small JSON file beside its weights.

use std::path::{Path, PathBuf};

use saffron_core::Preset;
use serde::{Deserialize, Serialize};

use crate::error::LoadError;
use crate::files::{read_json_if_there, write_whole};

/// The file of a card, in the directory of an adapter or of whole weights.
pub(super) const CARD: &str = "saffron.json";

/// The card of a reward model: `saffron.json` beside its adapter or weights. It names the settings
/// that the model was trained and tested for; whoever opens the model may overrule preset and layout.
///
/// ```
/// use saffron_core::Preset;
/// use saffron_mrm::checkpoint::MrmCard;
/// let card: MrmCard = serde_json::from_str(r#"{"preset": "paper"}"#)?;
/// assert_eq!(card.preset, Some(Preset::Paper));
/// // A field that is not known is refused: it might matter.
/// assert!(serde_json::from_str::<MrmCard>(r#"{"presett": "paper"}"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MrmCard {
    /// The preset of searches with the model, and of its input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// The name of the prompt layout that the model was trained with, one of
    /// [`LAYOUT_NAMES`](crate::text::LAYOUT_NAMES).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// The longest context that the model was trained for, where its base took the rotary
    /// frequencies for long contexts ([`ModelOptions::max_context`](crate::ModelOptions::max_context)).
    /// Whoever opens the model takes them, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_context: Option<usize>,
}

impl MrmCard {
    /// A card that names a preset.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        Self { preset: Some(preset), ..Self::default() }
    }

    /// The card of a directory.
    pub(crate) fn path(dir: &Path) -> PathBuf {
        dir.join(CARD)
    }

    /// Reads the card of a directory. Without a file, the card asks for nothing.
    ///
    /// # Errors
    ///
    /// A file that is there and cannot be read, is not JSON, or has a field or preset that is not
    /// known.
    pub fn read(dir: &Path) -> Result<Self, LoadError> {
        Ok(read_json_if_there(&Self::path(dir))?.unwrap_or_default())
    }

    /// Writes the card of a directory.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn write(&self, dir: &Path) -> Result<(), LoadError> {
        let path = Self::path(dir);
        let text = serde_json::to_string(self).map_err(LoadError::json(&path))?;
        write_whole(&path, format!("{text}\n").as_bytes())
    }
}

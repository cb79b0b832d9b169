//! What of a setting counts when a run is taken up again or merged.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How much of a setting has to be the same in all processes of a run.
///
/// Places of settings are written as in [`Difference::path`](super::Difference::path):
/// `data[0].path`. Files are told apart by their checksums, wherever they lie: fingerprints of a
/// file that a setting names are called by the setting's place, and those of the files in a
/// directory by the place, a slash and the file's name in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counts {
    /// Nothing: a run may go on with another value, or without one.
    Nothing,
    /// Of a path, nothing. Fingerprints tell its files.
    Files,
    /// Of a path, the extension, since it says how the file is read. Fingerprints tell the file.
    Extension,
    /// Of a path, the file's name, since records have it. Fingerprints tell the file.
    FileName,
}

impl Counts {
    fn is_path(self) -> bool {
        self != Self::Nothing
    }

    /// What of a value counts.
    fn of(self, value: &Value) -> Option<Value> {
        let Value::String(path) = value else { return (self != Self::Nothing).then(|| value.clone()) };
        let path = Path::new(path);
        let name = match self {
            Self::Nothing => return None,
            Self::Files => String::from("*"),
            Self::Extension => path.extension().map_or_else(|| String::from("*"), |end| format!("*.{}", end.display())),
            Self::FileName => path.file_name().unwrap_or_default().display().to_string(),
        };
        Some(Value::String(name))
    }
}

/// By place.
pub(super) type Places = BTreeMap<String, Counts>;

/// What of settings counts; none of a value that does not count at all.
pub(super) fn counted(value: &Value, place: &str, places: &Places) -> Option<Value> {
    if let Some(counts) = places.get(place) {
        return counts.of(value);
    }
    Some(match value {
        Value::Object(members) => {
            let dot = if place.is_empty() { "" } else { "." };
            let member = |(name, value): (&String, &Value)| {
                Some((name.clone(), counted(value, &format!("{place}{dot}{name}"), places)?))
            };
            Value::Object(members.iter().filter_map(member).collect::<Map<_, _>>())
        }
        Value::Array(items) => {
            let item = |(index, value): (usize, &Value)| {
                counted(value, &format!("{place}[{index}]"), places).unwrap_or(Value::Null)
            };
            Value::Array(items.iter().enumerate().map(item).collect())
        }
        other => other.clone(),
    })
}

/// The value at a place.
fn at<'a>(settings: &'a Value, place: &str) -> Option<&'a Value> {
    let names = place.split(['.', '[']).filter(|name| !name.is_empty());
    let mut names = names.map(|name| name.strip_suffix(']').map_or(Err(name), |index| Ok(index.parse::<usize>())));
    names.try_fold(settings, |value, name| match name {
        Ok(index) => value.get(index.ok()?),
        Err(name) => value.get(name),
    })
}

/// Fingerprints by the places of the settings that name their files, where an earlier version
/// called them by their paths.
pub(super) fn by_place(
    fingerprints: &BTreeMap<String, String>,
    settings: &Value,
    places: &Places,
) -> BTreeMap<String, String> {
    let mut moved = fingerprints.clone();
    for (place, _) in places.iter().filter(|(_, counts)| counts.is_path()) {
        let path = at(settings, place).and_then(Value::as_str).map(|path| path.trim_end_matches('/'));
        let Some(path) = path.filter(|path| !path.is_empty()) else { continue };
        for (name, sum) in fingerprints {
            let is_file = |rest: &&str| rest.is_empty() || rest.rfind('/') == Some(0);
            let rest = name.strip_prefix(path).filter(is_file);
            if let Some(rest) = rest {
                moved.remove(name);
                moved.insert(format!("{place}{rest}"), sum.clone());
            }
        }
    }
    moved
}

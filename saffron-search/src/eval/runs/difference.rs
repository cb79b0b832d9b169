//! Where two settings differ first.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The first place where two settings differ, as `strategies[1].width: 4 here, 8 in the run`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Names and indices that lead to the place.
    pub path: String,
    /// The value given now; none when there is none.
    pub here: Option<Value>,
    /// The value that the run was begun with.
    pub in_run: Option<Value>,
}

impl Difference {
    /// Compares two values whose place is `path`. Names are gone through in alphabetical order.
    pub(super) fn between(path: &str, here: &Value, in_run: &Value) -> Option<Self> {
        match (here, in_run) {
            (Value::Object(here), Value::Object(in_run)) => Self::of_objects(path, here, in_run),
            (Value::Array(here), Value::Array(in_run)) => Self::of_arrays(path, here, in_run),
            _ => Self::of_parts(path, Some(here), Some(in_run)),
        }
    }

    fn of_objects(path: &str, here: &Map<String, Value>, in_run: &Map<String, Value>) -> Option<Self> {
        let names: BTreeSet<&String> = here.keys().chain(in_run.keys()).collect();
        let dot = if path.is_empty() { "" } else { "." };
        names
            .into_iter()
            .find_map(|name| Self::of_members(&format!("{path}{dot}{name}"), here.get(name), in_run.get(name)))
    }

    fn of_arrays(path: &str, here: &[Value], in_run: &[Value]) -> Option<Self> {
        (0..here.len().max(in_run.len()))
            .find_map(|place| Self::of_members(&format!("{path}[{place}]"), here.get(place), in_run.get(place)))
    }

    fn of_members(path: &str, here: Option<&Value>, in_run: Option<&Value>) -> Option<Self> {
        match (here, in_run) {
            (Some(here), Some(in_run)) => Self::between(path, here, in_run),
            _ => Self::of_parts(path, here, in_run),
        }
    }

    fn of_parts(path: &str, here: Option<&Value>, in_run: Option<&Value>) -> Option<Self> {
        (here != in_run).then(|| Self { path: path.to_owned(), here: here.cloned(), in_run: in_run.cloned() })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
        write!(f, "{}: {} here, {} in the run", self.path, side(&self.here), side(&self.in_run))
    }
}

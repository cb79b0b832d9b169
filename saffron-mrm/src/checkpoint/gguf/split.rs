//! Checkpoints in several files, as llama.cpp splits them: `NAME-00001-of-00003.gguf` and so on
//! beside each other, each with its number, how many there are and how many tensors they have
//! together.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::part::Part;
use crate::config::Metadata;
use crate::error::LoadError;
use crate::files::is_there;

const COUNT: &str = "split.count";
const NUMBER: &str = "split.no";
const TENSORS: &str = "split.tensors.count";

/// All files of a checkpoint in order, whichever of them is named. Of one that was not split: the
/// one.
pub(super) fn open(path: &Path) -> Result<Vec<Part>, LoadError> {
    let named = Part::open(path)?;
    let Some(split) = Split::of(&named)? else { return Ok(vec![named]) };
    let (named_number, base) = (split.number, split.base(path)?);
    let (mut parts, mut named) = (Vec::new(), Some(named));
    for number in 0..split.count {
        let part = match named.take_if(|_| number == named_number) {
            Some(named) => named,
            None => sibling(&base, &split, number)?,
        };
        parts.push(part);
    }
    check_tensors(&parts, &split)?;
    Ok(parts)
}

/// Whether a file says that it is one of several.
#[cfg(feature = "hub")]
pub(super) fn is_one_of_several(metadata: &Metadata<'_>) -> Result<bool, LoadError> {
    Ok(metadata.count(COUNT)?.is_some_and(|count| count > 1))
}

/// What a part says of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Split {
    /// From 0 on.
    number: usize,
    count: usize,
    tensors: usize,
}

impl Split {
    /// None where the file is the whole.
    fn of(part: &Part) -> Result<Option<Self>, LoadError> {
        let metadata = Metadata::new(&part.path, &part.content);
        let Some(count) = metadata.count(COUNT)?.filter(|count| *count > 1) else { return Ok(None) };
        let need = |key| metadata.need(key, metadata.count(key));
        let split = Self { number: need(NUMBER)?, count, tensors: need(TENSORS)? };
        match split.number < count && count <= usize::from(u16::MAX) {
            true => Ok(Some(split)),
            false => Err(metadata.refuse(NUMBER, format!("a number below {COUNT} = {count}"), split.number)),
        }
    }

    /// What the names of all parts begin with.
    fn base(&self, path: &Path) -> Result<PathBuf, LoadError> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match name.strip_suffix(&self.ending(self.number)) {
            Some(base) => Ok(path.with_file_name(base)),
            None => {
                let expected = format!(
                    "a name that ends with {}, as part {} of {}: its siblings are found by their names",
                    self.ending(self.number),
                    self.number + 1,
                    self.count
                );
                Err(LoadError::field(path, COUNT, expected, name))
            }
        }
    }

    fn ending(&self, number: usize) -> String {
        format!("-{:05}-of-{:05}.gguf", number + 1, self.count)
    }

    fn describe(self) -> String {
        format!("part {} of {} with {} tensors in all", self.number + 1, self.count, self.tensors)
    }
}

fn sibling(base: &Path, split: &Split, number: usize) -> Result<Part, LoadError> {
    let mut path = base.as_os_str().to_owned();
    path.push(split.ending(number));
    let path = PathBuf::from(path);
    if !is_there(&path)? {
        let expected = format!("part {} of {}, beside the others", number + 1, split.count);
        return Err(LoadError::field(&path, COUNT, expected, "no such file"));
    }
    let part = Part::open(&path)?;
    let expected = Split { number, ..*split };
    match Split::of(&part)? {
        Some(found) if found == expected => Ok(part),
        found => {
            let found = found.map_or_else(|| String::from("a file that was not split"), Split::describe);
            Err(LoadError::field(&path, NUMBER, expected.describe(), found))
        }
    }
}

/// Checks that no tensor is in two parts and that all are there.
fn check_tensors(parts: &[Part], split: &Split) -> Result<(), LoadError> {
    let mut names = BTreeSet::new();
    for part in parts {
        if let Some(twice) = part.content.tensor_infos.keys().find(|name| !names.insert((*name).clone())) {
            return Err(LoadError::field(
                &part.path,
                twice,
                "a tensor of one part",
                "a tensor of an earlier part, too",
            ));
        }
    }
    match names.len() == split.tensors {
        true => Ok(()),
        false => {
            let path = &parts[0].path;
            Err(LoadError::field(path, TENSORS, format!("{} in all parts", names.len()), split.tensors))
        }
    }
}

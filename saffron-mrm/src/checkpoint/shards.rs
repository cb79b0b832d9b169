//! The weights of a directory: one `model.safetensors`, or shards with an index.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::safetensors::SafetensorsFile;
use super::tensors::TensorSource;
use crate::brief::cut;
use crate::error::{LoadError, TensorMismatch};
use crate::files::{is_there, read_json};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

#[derive(Deserialize)]
struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

/// All tensors of a checkpoint directory.
#[derive(Debug)]
pub(super) struct Shards {
    dir: PathBuf,
    files: Vec<SafetensorsFile>,
    /// Whether there are several, with an index.
    indexed: bool,
    /// Which file has a tensor.
    place: BTreeMap<String, usize>,
}

impl Shards {
    /// Opens the weights of a directory.
    ///
    /// # Errors
    ///
    /// Neither layout there; a shard outside the directory; shards and index that do not agree, with all tensors that are amiss.
    pub(super) fn open(dir: &Path) -> Result<Self, LoadError> {
        let (single, index) = (dir.join(SINGLE), dir.join(INDEX));
        if is_there(&single)? {
            let file = SafetensorsFile::open(&single)?;
            let place = file.names().map(|name| (name.to_owned(), 0)).collect();
            return Ok(Self { dir: dir.to_path_buf(), files: vec![file], indexed: false, place });
        }
        if is_there(&index)? {
            return Self::open_index(dir, &index);
        }
        Err(LoadError::NotFound { path: dir.to_path_buf(), expected: vec![SINGLE, INDEX] })
    }

    /// The files: those of the weights and the index, if there is one.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let index = self.indexed.then(|| self.dir.join(INDEX));
        self.files.iter().map(|file| file.path().to_path_buf()).chain(index).collect()
    }

    fn open_index(dir: &Path, path: &Path) -> Result<Self, LoadError> {
        let index: ShardIndex = read_json(path)?;
        if let Some((tensor, shard)) = index.weight_map.iter().find(|(_, shard)| !is_plain_name(shard)) {
            return Err(LoadError::ShardOutside {
                path: path.to_path_buf(),
                tensor: cut(tensor.clone()),
                shard: cut(shard.clone()),
            });
        }
        let names: BTreeSet<&String> = index.weight_map.values().collect();
        let files = names.iter().map(|name| SafetensorsFile::open(&dir.join(name))).collect::<Result<Vec<_>, _>>()?;
        let number: BTreeMap<&String, usize> = names.into_iter().enumerate().map(|(n, name)| (name, n)).collect();
        let place: BTreeMap<String, usize> =
            index.weight_map.iter().map(|(tensor, shard)| (tensor.clone(), number[shard])).collect();
        let mut mismatch = TensorMismatch::default();
        let absent = place.iter().filter(|(tensor, file)| files[**file].shape(tensor).is_none());
        mismatch.missing = absent.map(|(tensor, _)| tensor.clone()).collect();
        for (number, file) in files.iter().enumerate() {
            let unlisted = file.names().filter(|name| place.get(*name) != Some(&number));
            mismatch.unexpected.extend(unlisted.map(str::to_owned));
        }
        if mismatch.is_empty() {
            return Ok(Self { dir: dir.to_path_buf(), files, indexed: true, place });
        }
        Err(LoadError::Tensors { path: path.to_path_buf(), mismatch: Box::new(mismatch) })
    }
}

impl TensorSource for Shards {
    fn path(&self) -> &Path {
        &self.dir
    }

    fn names(&self) -> Vec<&str> {
        self.place.keys().map(String::as_str).collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.place.get(name).and_then(|file| self.files[*file].shape(name)).map(<[usize]>::to_vec)
    }

    fn read_f32(&mut self, name: &str) -> Result<Vec<f32>, LoadError> {
        match self.place.get(name) {
            Some(file) => self.files[*file].read_f32(name),
            None => Err(LoadError::field(&self.dir, name, "a tensor of this name", "none")),
        }
    }
}

/// A single ordinary path component: nothing absolute, no `..`, no folders.
fn is_plain_name(name: &str) -> bool {
    let mut components = Path::new(name).components();
    matches!((components.next(), components.next()), (Some(Component::Normal(part)), None) if part == name)
}

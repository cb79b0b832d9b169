//! Tensors by name, wherever they are.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::error::{LoadError, TensorMismatch};

/// Tensors by Hugging Face's names.
pub(crate) trait TensorSource: fmt::Debug {
    /// The file or directory.
    fn path(&self) -> &Path;

    /// The names of all.
    fn names(&self) -> Vec<&str>;

    /// A tensor's shape, if it is there.
    fn shape(&self, name: &str) -> Option<Vec<usize>>;

    /// A tensor, widened to float32.
    fn read_f32(&mut self, name: &str) -> Result<Vec<f32>, LoadError>;
}

/// Checks that tensors are exactly those expected, each in its shape. Tensors for which `ignored` holds may be there. Everything that is amiss is
/// told at once.
pub(super) fn check_tensors(
    source: &dyn TensorSource,
    expected: &BTreeMap<String, Vec<usize>>,
    ignored: impl Fn(&str) -> bool,
) -> Result<(), LoadError> {
    let mut mismatch = TensorMismatch::default();
    for (name, shape) in expected {
        match source.shape(name) {
            None => mismatch.missing.push(name.clone()),
            Some(found) if found != *shape => mismatch.misshapen.push((name.clone(), shape.clone(), found)),
            Some(_) => {}
        }
    }
    let unexpected = source.names().into_iter().filter(|name| !expected.contains_key(*name) && !ignored(name));
    mismatch.unexpected = unexpected.map(str::to_owned).collect();
    if mismatch.is_empty() {
        return Ok(());
    }
    Err(LoadError::Tensors { path: source.path().to_path_buf(), mismatch: Box::new(mismatch) })
}

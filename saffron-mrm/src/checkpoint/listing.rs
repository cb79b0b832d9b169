//! All files that a model is read from, for fingerprints of it.

use std::path::{Path, PathBuf};

use super::shards::Shards;
use super::source::{Checkpoint, Kind};
use crate::error::LoadError;
use crate::files::is_there;
use crate::files::small::{NEEDED, OPTIONAL, TEMPLATES};

impl Checkpoint {
    /// All files that the model is read from, sorted: of a directory the configurations, the
    /// tokenizer, the templates and every file of weights that there are; of a GGUF all parts,
    /// whichever was named. Other files of a directory are left out.
    ///
    /// # Errors
    ///
    /// Weights that are not there or whose headers cannot be read; what the file system says.
    pub fn files(&self) -> Result<Vec<PathBuf>, LoadError> {
        let mut files = match &self.kind {
            Kind::Directory => of_directory(self.path())?,
            #[cfg(feature = "gguf")]
            Kind::Gguf(file) => file.files(),
        };
        files.sort_unstable();
        Ok(files)
    }
}

fn of_directory(dir: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let mut files = Shards::open(dir)?.files();
    for name in NEEDED.into_iter().chain(OPTIONAL) {
        let path = dir.join(name);
        if is_there(&path)? {
            files.push(path);
        }
    }
    let folder = dir.join(TEMPLATES);
    if is_there(&folder)? {
        for entry in folder.read_dir().map_err(LoadError::io(&folder))? {
            let path = entry.map_err(LoadError::io(&folder))?.path();
            files.extend(Some(path).filter(|path| path.extension().is_some_and(|kind| kind == "jinja")));
        }
    }
    Ok(files)
}

//! The files that a configuration names: where they lie, what tells one from another, and how a
//! manifest has them.
//!
//! A configuration implements [`NamesFiles`]. Then its paths can start from its own folder
//! ([`NamesFiles::resolve`]), and a manifest can say which files a run depends on, wherever they
//! lie the next time ([`settings`], [`with_places`], [`with_files`]).
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::path::{Path, PathBuf};
//!
//! use saffron_search::eval::inputs::{NamedFile, NamesFiles, model_files, settings, with_files};
//! use saffron_search::eval::runs::{Counts, Manifest, Shard};
//! use serde::Serialize;
//!
//! #[derive(Clone, Serialize)]
//! struct Questions {
//!     data: PathBuf,
//! }
//!
//! impl NamesFiles for Questions {
//!     fn named(&mut self) -> Vec<NamedFile<'_>> {
//!         vec![NamedFile::path(&mut self.data, Counts::Extension)]
//!     }
//! }
//!
//! let folder = tempfile::tempdir()?;
//! std::fs::write(folder.path().join("asked.jsonl"), "{\"prompt\": \"Why?\"}\n")?;
//! let mut config = Questions { data: PathBuf::from("asked.jsonl") };
//! config.resolve(folder.path());
//! let manifest = Manifest::new(settings(&config, folder.path())?, Shard::WHOLE);
//! let files_of = |path: &Path| Ok(model_files(path)?);
//! let manifest = with_files(manifest, "", &config, folder.path(), &BTreeMap::new(), &files_of)?;
//! assert_eq!(manifest.settings["data"], "asked.jsonl");
//! assert!(manifest.fingerprints["data"].starts_with("crc32 "));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod data;
mod error;
mod fingerprint;
mod manifest;
mod named;

pub use data::{data_files, of_format};
pub use error::InputError;
pub use fingerprint::{FilesOf, fingerprint, fingerprints, is_of_model, model_files};
pub use manifest::{settings, with_files, with_places};
pub use named::{NamedFile, NamesFiles};

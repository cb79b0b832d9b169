//! Fetching one model whose commit is known.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::cached::{self, Purpose};
use super::client::{Client, Part, Revision, Wanted};
use super::record::{Entry, Known, Record, is_sound};
use super::store::{Folder, Slot, cache_error};
use super::{Hub, HubError, HubModel, HubProgress, files};
use crate::checkpoint::Checkpoint;
use crate::error::LoadError;

/// The pauses before requests for a file that made no progress.
const WAITS: [Duration; 3] = [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1)];

/// How much of a GGUF is fetched before it is looked at, and then if its header is not in it.
#[cfg(feature = "gguf")]
const BEGINNINGS: [u64; 3] = [256 << 10, 16 << 20, 128 << 20];

/// Fetches one model. All files are of one commit, even if a branch moves meanwhile.
pub(super) struct Visit<'a> {
    hub: &'a Hub,
    client: Client<'a>,
    model: &'a HubModel,
    folder: Folder,
    revision: Revision,
    snapshot: PathBuf,
    /// Files that have been verified.
    entries: BTreeMap<String, Entry>,
    watch: &'a mut dyn FnMut(&HubProgress),
}

impl<'a> Visit<'a> {
    pub(super) fn new(
        hub: &'a Hub,
        client: Client<'a>,
        (model, folder): (&'a HubModel, Folder),
        revision: Revision,
        watch: &'a mut dyn FnMut(&HubProgress),
    ) -> Result<Self, HubError> {
        let sha = &revision.sha;
        if !HubModel::is_commit(sha) || (model.is_pinned() && sha != model.revision()) {
            return Err(client.answer("the hash of the commit", sha));
        }
        let snapshot = folder.snapshot(sha);
        let records = cached::purposes(model, hub.weights);
        let records = records.into_iter().filter_map(|purpose| cached::read(&folder, sha, &purpose.name()));
        let entries = records.flat_map(|record| record.files).collect();
        Ok(Self { hub, client, model, folder, revision, snapshot, entries, watch })
    }

    /// Fetches missing files and returns the model's path.
    pub(super) fn fetch(mut self) -> Result<PathBuf, HubError> {
        let path = match self.model.file() {
            Some(file) if self.revision.has(file) => {
                let parts = files::parts(file);
                self.check_listed(&parts, file)?;
                self.files(Purpose::File(file), &parts)?;
                self.snapshot.join(file)
            }
            Some(_) => {
                return Err(HubError::NotFound { endpoint: self.hub.endpoint.clone(), model: self.model.clone() });
            }
            None => self.checkpoint()?,
        };
        if !self.model.is_pinned() {
            let reference = self.folder.reference(self.model.revision());
            self.folder.write(&reference, self.revision.sha.as_bytes())?;
        }
        Ok(path)
    }

    /// Fetches a checkpoint: first the files that show whether it can be used, then its weights.
    fn checkpoint(&mut self) -> Result<PathBuf, HubError> {
        let lacks = |expected| HubError::Lacks { model: self.model.clone(), expected };
        let has = |name: &str| self.revision.has(name);
        if let Some(name) = files::NEEDED.into_iter().find(|name| !has(name)) {
            return Err(lacks(name));
        }
        let (single, sharded) = (has(files::WEIGHTS), has(files::INDEX));
        if self.hub.weights && !single && !sharded {
            return Err(lacks("model.safetensors and no model.safetensors.index.json"));
        }
        let small: Vec<String> =
            self.revision.names().filter(|name| files::is_small(name)).map(str::to_owned).collect();
        self.files(Purpose::Checkpoint, &small)?;
        if self.hub.weights {
            let weights = if single { vec![files::WEIGHTS.to_owned()] } else { self.shards()? };
            self.usable(&weights)?;
            self.files(Purpose::Weights, &weights)?;
        }
        Ok(self.snapshot.clone())
    }

    /// Fetches the index; returns its name and the names of its shards.
    fn shards(&mut self) -> Result<Vec<String>, HubError> {
        let index = self.file(files::INDEX)?;
        let mut names =
            files::shards(&index).ok_or_else(|| self.client.answer("an index of plain file names", "another one"))?;
        self.check_listed(&names, "the index")?;
        names.push(files::INDEX.to_owned());
        Ok(names)
    }

    /// Refuses a revision that lacks a file that another one names.
    fn check_listed(&self, names: &[String], namer: &str) -> Result<(), HubError> {
        match names.iter().find(|name| !self.revision.has(name)) {
            Some(name) => Err(self.client.answer(format!("a list with {name}, which {namer} names"), "one without")),
            None => Ok(()),
        }
    }

    /// Refuses a model that this crate cannot use, unless its weights are there already.
    fn usable(&self, weights: &[String]) -> Result<(), HubError> {
        if weights.iter().all(|name| self.snapshot.join(name).is_file()) {
            return Ok(());
        }
        let read = || -> Result<(), LoadError> {
            let checkpoint = Checkpoint::open(&self.snapshot)?;
            checkpoint.end_tokens(&checkpoint.tokenizer()?)?;
            checkpoint.chat_template().map(drop)
        };
        read().map_err(|source| HubError::Unusable { model: self.model.clone(), source: Box::new(source) })
    }

    /// Fetches the files of a purpose and records that they are complete.
    fn files(&mut self, purpose: Purpose<'_>, names: &[String]) -> Result<(), HubError> {
        let mut record = Record::default();
        for name in names {
            self.file(name)?;
            record.files.extend(self.entries.get(name).map(|entry| (name.clone(), entry.clone())));
        }
        let before = cached::read(&self.folder, &self.revision.sha, &purpose.name());
        match before.is_some_and(|before| before == record) {
            true => Ok(()),
            false => cached::write(&self.folder, &self.revision.sha, &purpose.name(), &record),
        }
    }

    /// Fetches a file unless it is there and verified.
    fn file(&mut self, name: &str) -> Result<PathBuf, HubError> {
        let place = self.snapshot.join(name);
        let mut known = self.revision.known(name);
        let limit = files::limit(name);
        if known == Known::default() {
            // The server lists names only.
            let ask = || self.client.describe(self.model, &self.revision.sha, name);
            known = self.entries.get(name).map_or_else(ask, Entry::known);
        }
        if let Some(found) = known.size.filter(|size| *size > limit) {
            let (endpoint, file) = (self.hub.endpoint.clone(), name.to_owned());
            return Err(HubError::TooLarge { endpoint, file, found, limit });
        }
        if !self.is_there(&place, &known, name)? {
            self.bring(name, &known, limit)?;
        }
        let entry = Entry::of(&place, known.digest.as_ref()).map_err(cache_error(&place))?;
        self.entries.insert(name.to_owned(), entry);
        Ok(place)
    }

    fn is_there(&self, path: &Path, known: &Known, name: &str) -> Result<bool, HubError> {
        is_sound(path, known, self.entries.get(name)).map_err(cache_error(path))
    }

    /// Downloads a file, or waits for another process that downloads it.
    fn bring(&mut self, name: &str, known: &Known, limit: u64) -> Result<(), HubError> {
        let sha = self.revision.sha.clone();
        let mut slot = self.folder.slot(&sha, name, known.digest.as_ref())?;
        let watch = &mut *self.watch;
        let held = slot.lock(|part| {
            let done = length(part);
            watch(&HubProgress { file: name.to_owned(), done, size: known.size.unwrap_or(0).max(done) });
        })?;
        let blob = slot.blob.clone();
        let here = |path: &Path| self.is_there(path, known, name);
        let there = here(&slot.place)? || blob.is_some_and(|blob| here(&blob).unwrap_or(false));
        if !there {
            let wanted = Wanted { commit: &sha, name, known, limit, beginning: None };
            let downloaded = self.look(&slot, wanted).and_then(|()| self.download(&slot, wanted));
            if matches!(downloaded, Err(HubError::Length { .. })) {
                // These bytes belong to another file.
                fs::remove_file(&slot.part).map_err(cache_error(&slot.part))?;
            }
            downloaded?;
            slot.settle()?;
        }
        slot.link()?;
        drop(held);
        Ok(())
    }

    /// Fetches the header of a large GGUF first, and refuses a model that cannot be used.
    #[cfg(feature = "gguf")]
    fn look(&mut self, slot: &Slot, wanted: Wanted<'_>) -> Result<(), HubError> {
        let Some(size) = wanted.known.size.filter(|_| files::has_header(wanted.name)) else { return Ok(()) };
        for beginning in BEGINNINGS.into_iter().take_while(|beginning| *beginning < size) {
            self.parts(slot, Wanted { beginning: Some(beginning), ..wanted })?;
            match crate::checkpoint::gguf::look(&slot.part, &slot.place, size) {
                Ok(false) => {}
                Ok(true) => break,
                Err(source) => {
                    fs::remove_file(&slot.part).map_err(cache_error(&slot.part))?;
                    return Err(HubError::Unusable { model: self.model.clone(), source: Box::new(source) });
                }
            }
        }
        Ok(())
    }

    #[cfg(not(feature = "gguf"))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "with the feature it looks")]
    fn look(&mut self, _: &Slot, _: Wanted<'_>) -> Result<(), HubError> {
        Ok(())
    }

    /// Downloads a file completely and verifies its checksum.
    fn download(&mut self, slot: &Slot, wanted: Wanted<'_>) -> Result<(), HubError> {
        let mut resumed = length(&slot.part) > 0;
        loop {
            self.parts(slot, wanted)?;
            let Some(digest) = &wanted.known.digest else { return Ok(()) };
            let Err(found) = digest.check(&slot.part).map_err(cache_error(&slot.part))? else { return Ok(()) };
            fs::remove_file(&slot.part).map_err(cache_error(&slot.part))?;
            // The start may be a damaged remainder of an earlier download: try once from zero.
            if !std::mem::take(&mut resumed) {
                let (endpoint, file) = (self.hub.endpoint.clone(), wanted.name.to_owned());
                return Err(HubError::Checksum { endpoint, file, expected: digest.hex().to_owned(), found });
            }
        }
    }

    /// Sends requests until the file is complete; gives up after several without progress.
    fn parts(&mut self, slot: &Slot, wanted: Wanted<'_>) -> Result<(), HubError> {
        let mut waits = WAITS.iter();
        let mut before = length(&slot.part);
        while let Part::Short(source) = self.client.part(self.model, wanted, &slot.part, self.watch)? {
            let now = length(&slot.part);
            if now <= before {
                let Some(wait) = waits.next() else {
                    return Err(HubError::Broken { model: self.model.clone(), file: wanted.name.to_owned(), source });
                };
                std::thread::sleep(*wait);
            }
            before = now;
        }
        Ok(())
    }
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |found| found.len())
}

//! The directory of a run that labels a corpus.

use std::error::Error;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use saffron_core::{ProcessRewardModel, Vocabulary, Work};
use saffron_search::eval::files::{self, Claim, Journal, Lock, Span};
use saffron_search::eval::runs::{Manifest, RunError, Shard};

use super::{Annotated, Annotator, Conversation, LabelError, LabelSettings, LabelSummary, TokenRewards};

pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const LABELS: &str = "labels.jsonl";
pub(super) const SUMMARY: &str = "summary.json";
const LOCK: &str = "lock";

/// Replies, and the model that rewards them.
pub trait Source {
    /// The vocabulary of all token ids.
    fn vocabulary(&self) -> Arc<dyn Vocabulary>;

    /// The replies at these places of the corpus, the same whenever they are asked for.
    ///
    /// # Errors
    ///
    /// Whatever keeps them away.
    fn replies(&mut self, places: Range<usize>) -> Result<Vec<Conversation>, Box<dyn Error + Send + Sync>>;

    /// The model.
    fn model(&mut self) -> &mut dyn ProcessRewardModel;

    /// Drops everything that models have cached, so that what follows does not depend on what came before, to the last bit.
    fn forget(&mut self);
}

/// A group of replies that has been labelled and has reached the disk.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    /// Its number, shards regardless.
    pub number: usize,
    /// Its records.
    pub records: &'a [TokenRewards],
    /// What the reward model did for it.
    pub work: Work,
}

/// A run that this process holds. Dropping it lets the run go.
///
/// Records are written group by group, in the order of the corpus; a group that was cut off is labelled again as a whole. Since every
/// group begins with models that have forgotten what came before, a run that was killed and taken up again has the labels of an unbroken
/// one, bit for bit.
#[derive(Debug)]
pub struct LabelRun {
    pub(super) dir: PathBuf,
    manifest: Manifest,
    settings: LabelSettings,
    pub(super) journal: Journal<TokenRewards>,
    _lock: Lock,
}

impl LabelRun {
    /// Begins a run in a directory, or takes up the one that is there. The manifest is that of the settings, see
    /// [`LabelSettings::manifest`], with the fingerprints of data and models.
    ///
    /// # Errors
    ///
    /// A manifest that is none of labels, or holds what looks like a secret; a run with other settings, or of another shard; a run that
    /// another process holds; records that are broken, out of place or hold what cannot be; files that cannot be read or written.
    pub fn open(dir: impl Into<PathBuf>, manifest: Manifest) -> Result<Self, LabelError> {
        let dir = dir.into();
        let path = dir.join(MANIFEST);
        let settings = LabelSettings::of(&manifest, &path)?;
        files::create_dir(&dir)?;
        let lock = Lock::take(&dir.join(LOCK))?;
        let has_labels = !files::is_absent_or_empty(&dir.join(LABELS))?;
        if has_labels && Manifest::read(&path)?.is_none() {
            return Err(RunError::NoManifest { path }.into());
        }
        manifest.check(&path)?;
        // From here on nobody else writes, even if the lock is removed.
        let claim = Claim::take(dir.join(LABELS))?;
        manifest.settle(&path)?;
        Self::load(dir, manifest, settings, lock, claim)
    }

    /// Takes up the run in a directory, whatever its settings.
    ///
    /// # Errors
    ///
    /// No run there; otherwise as [`open`](Self::open).
    pub fn existing(dir: impl Into<PathBuf>) -> Result<Self, LabelError> {
        let dir = dir.into();
        let (manifest, settings) = manifest(&dir)?;
        let lock = Lock::take(&dir.join(LOCK))?;
        let claim = Claim::take(dir.join(LABELS))?;
        Self::load(dir, manifest, settings, lock, claim)
    }

    fn load(
        dir: PathBuf,
        manifest: Manifest,
        settings: LabelSettings,
        lock: Lock,
        claim: Claim,
    ) -> Result<Self, LabelError> {
        for name in [MANIFEST, LABELS, SUMMARY] {
            files::tidy(&dir.join(name))?;
        }
        let path = dir.join(LABELS);
        let mut check = in_place(&settings, manifest.shard, &path);
        let mut journal = Journal::open_claimed(claim, |record, span| check(&record, span))?;
        drop(check);
        journal.truncate(whole_groups(&settings, manifest.shard, journal.len()))?;
        Ok(Self { dir, manifest, settings, journal, _lock: lock })
    }

    /// With what the run was begun.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The settings in the manifest.
    #[must_use]
    pub fn settings(&self) -> &LabelSettings {
        &self.settings
    }

    /// Where the run is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Replies of this shard that are done, those that were skipped included.
    #[must_use]
    pub fn done(&self) -> usize {
        self.journal.len()
    }

    /// Replies of this shard.
    #[must_use]
    pub fn items(&self) -> usize {
        self.settings.share(self.manifest.shard)
    }

    /// The groups that are not done: the number of each, and the places of its replies.
    #[must_use]
    pub fn pending(&self) -> Vec<(usize, Range<usize>)> {
        let next = self.settings.places(self.manifest.shard).nth(self.journal.len());
        let groups = self.settings.groups(self.manifest.shard);
        groups.filter(|(_, places)| next.is_some_and(|next| places.start >= next)).collect()
    }

    /// Labels what is not done yet, and finishes. `ended` hears of every group that is written.
    ///
    /// # Errors
    ///
    /// Replies that cannot be had or are of another vocabulary, a model that fails or whose reward is not finite, a failed write. Groups
    /// that have been written stay.
    pub fn run(
        &mut self,
        source: &mut dyn Source,
        ended: &mut dyn FnMut(Group<'_>),
    ) -> Result<LabelSummary, LabelError> {
        let (vocabulary, expected) = (source.vocabulary(), self.settings.vocab_size);
        if vocabulary.size() != expected {
            return Err(LabelError::Vocabulary { expected, found: vocabulary.size() });
        }
        let LabelSettings { max_tokens, batch, .. } = self.settings;
        let annotator = Annotator { vocabulary, max_tokens, batch };
        for (number, places) in self.pending() {
            source.forget();
            let Annotated { records, work } = label(&annotator, places, source)?;
            self.journal.append_all(&records)?;
            ended(Group { number, records: &records, work });
        }
        self.finish()
    }
}

/// The labels of one group.
fn label(annotator: &Annotator, places: Range<usize>, source: &mut dyn Source) -> Result<Annotated, LabelError> {
    let (first, last, expected) = (places.start, places.end.saturating_sub(1), places.len());
    let replies = source.replies(places).map_err(|source| LabelError::Corpus { first, last, source })?;
    if replies.len() != expected {
        return Err(LabelError::Count { first, expected, found: replies.len() });
    }
    annotator.annotate(&replies, first, source.model())
}

/// The manifest of a run, and the settings in it.
pub(super) fn manifest(dir: &Path) -> Result<(Manifest, LabelSettings), LabelError> {
    let path = dir.join(MANIFEST);
    let manifest = Manifest::read(&path)?.ok_or_else(|| RunError::NoManifest { path: path.clone() })?;
    let settings = LabelSettings::of(&manifest, &path)?;
    Ok((manifest, settings))
}

/// Refuses records that are not in the order of the corpus, one place after the other, or hold what cannot be.
pub(super) fn in_place<'a>(
    settings: &LabelSettings,
    shard: Shard,
    path: &'a Path,
) -> impl FnMut(&TokenRewards, Span) -> Result<(), LabelError> + use<'a> {
    let (mut places, vocab_size) = (settings.places(shard), settings.vocab_size);
    move |record, span| {
        let place = places.next();
        if place == Some(record.index) {
            return record.check(vocab_size);
        }
        let expected = place.map_or_else(|| String::from("no record"), |place| format!("place {place}"));
        Err(LabelError::Order { path: path.to_owned(), line: span.line, expected, found: record.index })
    }
}

/// The number of records of groups that are whole, of so many records in order.
fn whole_groups(settings: &LabelSettings, shard: Shard, records: usize) -> usize {
    let ends = settings.groups(shard).scan(0, |end, (_, places)| {
        *end += places.len();
        Some(*end)
    });
    ends.take_while(|end| *end <= records).last().unwrap_or(0)
}

/// Shows the records of a run to `each`, in the order of the file, and gives the manifest. Neither takes nor changes anything.
pub(super) fn walk(
    dir: &Path,
    mut each: impl FnMut(TokenRewards) -> Result<(), LabelError>,
) -> Result<(Manifest, LabelSettings), LabelError> {
    let (manifest, settings) = manifest(dir)?;
    let path = dir.join(LABELS);
    let mut check = in_place(&settings, manifest.shard, &path);
    if files::is_there(&path)? {
        Journal::<TokenRewards>::walk(&path, |record, span| {
            check(&record, span)?;
            each(record)
        })?;
    }
    drop(check);
    Ok((manifest, settings))
}

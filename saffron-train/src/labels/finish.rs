//! What can be done with labels that are there: counting, reading, merging.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use saffron_search::eval::files;
use saffron_search::eval::runs::{Manifest, RunError, check_shards};

use super::run::{LABELS, SUMMARY, walk};
use super::summary::Tally;
use super::{LabelError, LabelRun, LabelSummary, TokenRewards};

impl LabelRun {
    /// Counts what has come of a run that has done everything, and writes that as `summary.json`, whole or not at all.
    ///
    /// # Errors
    ///
    /// Groups that are not done; files that cannot be read or written.
    pub fn finish(&self) -> Result<LabelSummary, LabelError> {
        self.check_complete()?;
        let mut tally = Tally::default();
        walk(&self.dir, |record| {
            tally.add(&record);
            Ok(())
        })?;
        let summary = tally.summary();
        let failed = |source| RunError::Encode { what: "the summary", source };
        let text = serde_json::to_vec_pretty(&summary).map_err(failed)?;
        files::replace(&self.dir.join(SUMMARY), |file| file.write_all(&text).and_then(|()| file.write_all(b"\n")))?;
        Ok(summary)
    }

    fn check_complete(&self) -> Result<(), LabelError> {
        let (done, items) = (self.done(), self.items());
        if done == items {
            return Ok(());
        }
        Err(LabelError::Incomplete { path: self.dir.clone(), done, missing: items - done })
    }
}

/// The manifest of a run and its records in order, those of skipped replies left out. Neither takes nor changes anything, so that it may
/// be called while a process works on the run.
///
/// # Errors
///
/// No run there, records that are broken, out of place or hold what cannot be, files that cannot be read.
pub fn read(dir: &Path) -> Result<(Manifest, Vec<TokenRewards>), LabelError> {
    let mut records = Vec::new();
    let (manifest, _) = walk(dir, |record| {
        if !record.is_skipped() {
            records.push(record);
        }
        Ok(())
    })?;
    Ok((manifest, records))
}

/// Puts all shards of a run together in a directory that has no labels yet, and finishes. Its file of labels is that of a run that was
/// never parted.
///
/// # Errors
///
/// Shards with other settings, of other numbers of shards, twice the same one, missing, not complete or worked on; a directory that has
/// labels or is of another run; files that cannot be read or written.
pub fn merge(shards: &[PathBuf], out: &Path) -> Result<LabelSummary, LabelError> {
    let mut runs = shards.iter().map(LabelRun::existing).collect::<Result<Vec<_>, _>>()?;
    let manifests: Vec<(&Path, &Manifest)> = runs.iter().map(|run| (run.path(), run.manifest())).collect();
    let (manifest, missing) = check_shards(&manifests)?;
    if !missing.is_empty() {
        return Err(LabelError::MissingShards { missing });
    }
    runs.iter().try_for_each(LabelRun::check_complete)?;
    runs.sort_by_key(|run| run.manifest().shard);
    let run = LabelRun::open(out, manifest)?;
    if run.done() == run.items() {
        // A merge that was killed once the labels were in place.
        return run.finish();
    }
    if run.done() > 0 {
        return Err(LabelError::NotEmpty { path: out.to_owned() });
    }
    files::replace(&out.join(LABELS), |whole| interleave(&runs, whole))?;
    drop(run);
    LabelRun::existing(out)?.finish()
}

/// Copies lines group by group, each from the shard that owns it.
fn interleave(shards: &[LabelRun], whole: &mut impl Write) -> io::Result<()> {
    let Some(first) = shards.first() else { return Ok(()) };
    let open =
        |run: &LabelRun| files::open_regular(&run.path().join(LABELS)).map(BufReader::new).map_err(io::Error::other);
    let mut sources = shards.iter().map(open).collect::<io::Result<Vec<_>>>()?;
    let mut line = Vec::new();
    for (group, places) in first.settings().groups(saffron_search::eval::runs::Shard::WHOLE) {
        let file = &mut sources[group % shards.len()];
        for _ in places {
            line.clear();
            file.read_until(b'\n', &mut line)?;
            whole.write_all(&line)?;
        }
    }
    Ok(())
}

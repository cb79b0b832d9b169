//! Making one run of its shards.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Arm, Key, Manifest, RunDir, RunError, Shard};
use crate::eval::files::Span;

/// A run made of shards.
#[derive(Debug)]
pub struct Merged {
    /// The run. [`RunDir::finish`] shows whether it has done everything, and puts it in order.
    pub run: RunDir,
    /// The shards that were not given. Their prompts are pending in the run, which may be gone on with.
    pub missing: Vec<Shard>,
}

/// Copies the records of the shards in these directories into a run in `out`, which has none yet,
/// in the order of a run in one piece: arm by arm as the shards have them, prompt by prompt.
///
/// # Errors
///
/// Shards with other settings, with other numbers of shards, twice the same one, or with a record
/// of the same key; a shard that is being worked on, or that has not ended although all are given;
/// an `out` that has other records, or is of another run; files that cannot be read or written.
pub fn merge(shards: &[PathBuf], out: &Path) -> Result<Merged, RunError> {
    let runs = shards.iter().map(RunDir::existing).collect::<Result<Vec<_>, _>>()?;
    let manifests: Vec<(&Path, &Manifest)> = runs.iter().map(|run| (run.path(), run.manifest())).collect();
    let (whole, missing) = check_shards(&manifests)?;
    let lines = ordered(&runs)?;
    if missing.is_empty() {
        check_ended(&lines)?;
    }
    let mut run = RunDir::open(out, whole)?;
    if !run.is_empty() {
        // A merge that was killed once the records were in place.
        let same = run.placed().into_iter().map(|(key, ..)| key).eq(lines.iter().map(|line| line.key));
        if !same {
            return Err(RunError::NotEmpty { path: out.to_owned(), records: run.len() });
        }
        return Ok(Merged { run, missing });
    }
    run.fill(lines.into_iter().map(|line| (line.run, line.span)))?;
    Ok(Merged { run, missing })
}

/// A record of a shard.
struct Placed<'a> {
    arm: Option<usize>,
    index: usize,
    key: &'a Key,
    run: &'a RunDir,
    span: Span,
}

/// Every arm has answered every prompt that there is.
fn check_ended(lines: &[Placed<'_>]) -> Result<(), RunError> {
    let prompts = lines.iter().map(|line| line.index + 1).max().unwrap_or(0);
    for arm in lines.chunk_by(|one, other| one.arm == other.arm) {
        let gap = arm.iter().enumerate().find(|(place, line)| line.index != *place).map(|(place, _)| place);
        if let Some(place) = gap.or((arm.len() < prompts).then_some(arm.len())) {
            let Key { strategy, budget, .. } = arm[0].key;
            return Err(RunError::ShardNotEnded { strategy: strategy.clone(), budget: *budget, place });
        }
    }
    Ok(())
}

/// The manifest of the whole that these shards, each with its path, are parts of, and the shards that are not among them.
///
/// # Errors
///
/// No shards, shards with other settings, with other numbers of shards, or twice the same one.
pub fn check_shards(shards: &[(&Path, &Manifest)]) -> Result<(Manifest, Vec<Shard>), RunError> {
    let (_, first) = shards.first().ok_or(RunError::NothingToMerge)?;
    shards.iter().try_for_each(|(path, shard)| first.check_same_run(shard, path))?;
    Ok(((*first).clone().with_shard(Shard::WHOLE), missing(shards, first.shard.of())?))
}

/// The shards of `of` that were not given.
fn missing(shards: &[(&Path, &Manifest)], of: usize) -> Result<Vec<Shard>, RunError> {
    let mut given = Vec::new();
    for (path, manifest) in shards {
        let found = manifest.shard;
        let mixed = |expected| RunError::MixedShards { path: (*path).to_owned(), expected, found };
        if found.of() != of {
            return Err(mixed(format!("one of {of}")));
        }
        if given.contains(&found.index()) {
            return Err(mixed("one that is not there yet".to_owned()));
        }
        given.push(found.index());
    }
    let absent = (0..of).filter(|index| !given.contains(index));
    Ok(absent.filter_map(|index| Shard::new(index, of).ok()).collect())
}

/// The lines of all shards in the order of the whole run.
fn ordered(runs: &[RunDir]) -> Result<Vec<Placed<'_>>, RunError> {
    let mut seen = BTreeMap::new();
    let mut lines = Vec::new();
    let mut shards: Vec<&RunDir> = runs.iter().collect();
    shards.sort_by_key(|run| run.manifest().shard);
    let arms = arms(&shards);
    for run in shards {
        for (key, index, span) in run.placed() {
            if let Some(other) = seen.insert(key, run) {
                let (first, second) = (RunDir::path(other).to_owned(), run.path().to_owned());
                return Err(RunError::InTwoShards { key: key.clone(), first, second });
            }
            lines.push(Placed { arm: arms.iter().position(|arm| arm.is_of(key)), index, key, run, span });
        }
    }
    lines.sort_by_key(|line| (line.arm, line.index));
    Ok(lines)
}

/// The arms of all shards. One that a shard before has not is put behind the one that it follows.
fn arms(shards: &[&RunDir]) -> Vec<Arm> {
    let mut arms: Vec<Arm> = Vec::new();
    for run in shards {
        let mut next = 0;
        for (key, ..) in run.placed() {
            match arms.iter().position(|arm| arm.is_of(key)) {
                Some(place) => next = place + 1,
                None => {
                    arms.insert(next, Arm::new(&key.strategy, key.budget));
                    next += 1;
                }
            }
        }
    }
    arms
}

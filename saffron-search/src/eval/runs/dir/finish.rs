//! Putting the records of a run in order.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::super::plan::Entry;
use super::super::{Key, Plan, RunError};
use super::{RECORDS, RunDir};
use crate::eval::files::{self, Span, open_regular};

impl RunDir {
    /// Puts the records of a run that has done everything in the plan's order: arm by arm, prompt by prompt. Whatever
    /// was interrupted, the file is then that of an unbroken run, timings apart. A kill leaves the file in the old
    /// order or the new.
    ///
    /// # Errors
    ///
    /// Records that are missing, that the plan does not have, or has in another place; a plan that names something
    /// twice; a failed write.
    pub fn finish(&mut self, plan: &Plan) -> Result<(), RunError> {
        plan.check()?;
        let entries: Vec<Entry> = plan.entries(self.manifest.shard).collect();
        self.check_complete(&entries)?;
        self.check_planned(&entries)?;
        self.keep(entries.iter().filter_map(|entry| self.done.get(&entry.key)).map(|line| line.span).collect())
    }

    /// Drops the records of prompts that failed, which are pending again then, and says how many there were.
    ///
    /// # Errors
    ///
    /// A failed write.
    pub fn forget_failures(&mut self) -> Result<usize, RunError> {
        let before = self.len();
        let mut kept: Vec<Span> = self.done.values().filter(|line| !line.failed).map(|line| line.span).collect();
        if kept.len() < before {
            kept.sort_by_key(|span| span.start);
            self.keep(kept)?;
        }
        Ok(before - self.len())
    }

    /// Keeps these lines and no others, in this order.
    fn keep(&mut self, spans: Vec<Span>) -> Result<(), RunError> {
        let path = self.dir.join(RECORDS);
        self.journal.check_in_place()?;
        let mut source = open_regular(&path)?;
        files::replace(&path, |out| spans.into_iter().try_for_each(|span| copy(&mut source, span, out)))?;
        self.reload()
    }

    fn check_complete(&self, entries: &[Entry]) -> Result<(), RunError> {
        let mut missing = entries.iter().filter(|entry| !self.done(&entry.key));
        match missing.next() {
            Some(first) => Err(RunError::Incomplete { missing: 1 + missing.count(), key: first.key.clone() }),
            None => Ok(()),
        }
    }

    fn check_planned(&self, entries: &[Entry]) -> Result<(), RunError> {
        let mut planned: Vec<&Entry> = entries.iter().collect();
        planned.sort_by_key(|entry| &entry.key);
        let is_planned = |entry: &Entry| {
            planned.binary_search_by_key(&&entry.key, |entry| &entry.key).is_ok_and(|place| planned[place] == entry)
        };
        match self.done.values().find(|line| !is_planned(&line.entry)) {
            Some(line) => {
                let Entry { key, group, index } = line.entry.clone();
                Err(RunError::Unplanned { key, index, group })
            }
            None => Ok(()),
        }
    }

    /// Puts records of several runs in the place of this one's.
    pub(in super::super) fn fill<'a>(
        &mut self,
        lines: impl Iterator<Item = (&'a RunDir, Span)>,
    ) -> Result<(), RunError> {
        let path = self.dir.join(RECORDS);
        self.journal.check_in_place()?;
        let mut lines = lines;
        files::replace(&path, |out| {
            lines.try_for_each(|(run, span)| {
                let mut source = open_regular(&run.dir.join(RECORDS)).map_err(io::Error::other)?;
                copy(&mut source, span, out)
            })
        })?;
        self.reload()
    }

    /// Every key with its prompt's place and where its line stands, in the order of the file.
    pub(in super::super) fn placed(&self) -> Vec<(&Key, usize, Span)> {
        let mut placed: Vec<_> =
            self.done.values().map(|line| (&line.entry.key, line.entry.index, line.span)).collect();
        placed.sort_by_key(|(_, _, span)| span.start);
        placed
    }

    /// Where the run is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir
    }
}

fn copy(source: &mut File, span: Span, out: &mut impl Write) -> io::Result<()> {
    source.seek(SeekFrom::Start(span.start))?;
    let copied = io::copy(&mut Read::take(source, span.length), out)?;
    if copied == span.length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

//! Where what is left of a search is kept.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::prompt::save;

/// Arguments: files of a trace and of a recording.
#[derive(Clone, Debug, Args)]
#[command(about = None, long_about = None)]
pub struct KeptArgs {
    /// Keep the trace: what happened, candidates in summary, one JSON object a line.
    #[arg(long)]
    pub trace: Option<PathBuf>,
    /// Keep the recording: all that the models answered, one JSON object a line.
    #[arg(long)]
    pub recording: Option<PathBuf>,
}

impl KeptArgs {
    /// Writes what is to be kept.
    ///
    /// # Errors
    ///
    /// Files that cannot be written.
    pub fn write(&self, trace: &[u8], recording: &[u8]) -> Result<()> {
        self.trace.as_ref().map_or(Ok(()), |path| save(path, trace))?;
        self.recording.as_ref().map_or(Ok(()), |path| save(path, recording))
    }
}

//! How prompts are put before a policy, as manifests say it.

use std::path::{Path, PathBuf};

use saffron_core::{ModelError, Session};

use super::ComparedPolicy;
use crate::eval::runs::{Manifest, RunError};

/// The name, among a manifest's fingerprints, of the layout that a run took because none was named.
pub const DEFAULT_LAYOUT: &str = "layout of the policy";

/// The name, among a manifest's fingerprints, of how prompts are encoded where that matters.
pub const ENCODING: &str = "encoding of prompts";

/// What a manifest says of prompts that are encoded together with their layout. To encode them
/// apart, as earlier versions did, may give other ids.
pub const TOGETHER: &str = "together with their layout";

/// Whether a policy reads sessions of text otherwise than it would read their ids, put behind those
/// of its layout.
#[must_use]
pub fn encodes_together(policy: &dyn ComparedPolicy, sessions: &[&Session]) -> bool {
    let apart = |session: &Session| {
        let ids = Session::new(session.vocabulary().clone(), session.prompt())?;
        policy.context(&ids.with_prefill(session.prefill())?)
    };
    // A session that cannot be read fails on its own, later.
    let differs = |session: &Session| Ok::<_, ModelError>(apart(session)? != policy.context(session)?);
    sessions.iter().any(|session| differs(session).unwrap_or(false))
}

/// A run that an earlier version began, and that this version would go on with otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OldRunError {
    /// The earlier version put prompts before the policy in another way.
    #[error(
        "{path} is of a run of an earlier version, which {then}: what it has and what is new would not belong \
         together, so begin a new run",
        path = .path.display()
    )]
    AskedOtherwise {
        /// The manifest.
        path: PathBuf,
        /// What the earlier version did.
        then: &'static str,
    },
    /// The manifest cannot be read.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Refuses to go on with a run of an earlier version whose policy was asked otherwise: that version
/// guessed a layout from special tokens where none was named, and encoded prompts apart from their
/// layout.
///
/// # Errors
///
/// Such a run in the directory; a manifest that cannot be read.
pub fn check_old_run(dir: &Path, manifest: &Manifest) -> Result<(), OldRunError> {
    let path = dir.join("manifest.json");
    let Some(in_run) = Manifest::read(&path)? else { return Ok(()) };
    let new = |name: &str| manifest.fingerprints.contains_key(name) && !in_run.fingerprints.contains_key(name);
    let then = match () {
        () if !manifest.same_settings(&in_run) => return Ok(()),
        () if new(DEFAULT_LAYOUT) => {
            "guessed the policy's layout from its special tokens, where it has a chat template of its own"
        }
        () if new(ENCODING) => "encoded prompts apart from the words around them, which may give other tokens",
        () => return Ok(()),
    };
    Err(OldRunError::AskedOtherwise { path, then })
}

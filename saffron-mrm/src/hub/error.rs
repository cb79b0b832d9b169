//! What can go wrong between here and the hub.

use std::error::Error;
use std::path::PathBuf;

use super::HubModel;
use crate::error::LoadError;

/// A model that the hub does not give.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// Nobody answers, and the model is not there from an earlier time.
    #[error("{endpoint} cannot be reached ({reason}), and {} does not hold {model}", cache.display())]
    Unreachable {
        /// The hub.
        endpoint: String,
        /// Why.
        reason: String,
        /// Where models are kept.
        cache: PathBuf,
        /// The model.
        model: HubModel,
    },
    /// Asked not to use the network, and the model is not there from an earlier time.
    #[error("{} does not hold the whole of {model}, undamaged, and the network is not to be used", cache.display())]
    NotCached {
        /// Where models are kept.
        cache: PathBuf,
        /// The model.
        model: HubModel,
    },
    /// The hub knows no such model, revision or file.
    #[error("{endpoint} has no {model}")]
    NotFound {
        /// The hub.
        endpoint: String,
        /// The model.
        model: HubModel,
    },
    /// The hub wants to know who asks, or says so of what it does not have.
    #[error(
        "{endpoint} has no {model}, or does not give it to everybody ({status}): accept its terms there, and give a token"
    )]
    Denied {
        /// The hub.
        endpoint: String,
        /// The model.
        model: HubModel,
        /// The answer's status.
        status: u16,
    },
    /// A repository without a file that every checkpoint has.
    #[error("{model} has no {expected}")]
    Lacks {
        /// The model.
        model: HubModel,
        /// The file, or several of which one is needed.
        expected: &'static str,
    },
    /// A model whose configuration, tokenizer or chat template cannot be used. Its weights have not
    /// been fetched.
    #[error("{model} cannot be used, and its weights have not been fetched")]
    Unusable {
        /// The model.
        model: HubModel,
        /// Why.
        source: Box<LoadError>,
    },
    /// A file above the size limit of its kind. None of it has been fetched.
    #[error("{endpoint} announces {found} bytes of {file}, expected at most {limit}")]
    TooLarge {
        /// The hub.
        endpoint: String,
        /// The file.
        file: String,
        /// Its size.
        found: u64,
        /// The most that it may have.
        limit: u64,
    },
    /// A file whose length differs from the announced one.
    #[error("{endpoint} announces {expected} bytes of {file} and sends {found}")]
    Length {
        /// The hub.
        endpoint: String,
        /// The file.
        file: String,
        /// Bytes by the hub's list or the answer's header.
        expected: u64,
        /// Bytes by the answer's header, or bytes received before the download was cut off.
        found: u64,
    },
    /// A complete file with the wrong checksum. It has been deleted.
    #[error("{endpoint} sends {file} with the checksum {found}, expected {expected}")]
    Checksum {
        /// The hub.
        endpoint: String,
        /// The file.
        file: String,
        /// The checksum by the hub's list or the answer's header.
        expected: String,
        /// The checksum of the received bytes.
        found: String,
    },
    /// An answer that does not hold together.
    #[error("{endpoint} answers with {found} where {expected} was expected")]
    Answer {
        /// The hub.
        endpoint: String,
        /// What would do.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A download that broke off. What has come is kept, and the next try goes on from there.
    #[error("{file} of {model}: the download broke off; the next try goes on where this one ended")]
    Broken {
        /// The model.
        model: HubModel,
        /// The file.
        file: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The folder of models cannot be read or written.
    #[error("{}: cannot be read or written", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

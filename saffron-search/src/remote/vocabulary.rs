//! The vocabulary of a model that somebody else tokenises for.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use saffron_core::{Token, Vocabulary, VocabularyError, VocabularyId};

use super::{RemoteError, Server};

/// A server's vocabulary: its ids mean something to that model alone, and the server turns them into text.
#[derive(Clone, Debug)]
pub struct RemoteVocabulary {
    server: Arc<Server>,
    size: usize,
    /// Tokens that end a reply, which have no text.
    ends: Vec<Token>,
}

impl RemoteVocabulary {
    /// The vocabulary of a server's model.
    ///
    /// # Errors
    ///
    /// A server that does not say how many ids there are, where the settings do not either.
    pub fn new(server: Arc<Server>) -> Result<Self, RemoteError> {
        match server.model().vocab_size {
            Some(size) => {
                let ends = server.end_tokens().unwrap_or_default();
                Ok(Self { server, size, ends })
            }
            None => Err(server.setup(
                "it does not say how many token ids there are",
                "say it (`RemoteSettings::vocab_size`), or give a tokenizer's vocabulary (`RemotePolicy::on`)",
            )),
        }
    }
}

impl Vocabulary for RemoteVocabulary {
    fn id(&self) -> VocabularyId {
        let mut hasher = DefaultHasher::new();
        ("remote", self.server.engine().name(), &self.server.model().name, self.size).hash(&mut hasher);
        VocabularyId(hasher.finish())
    }

    fn size(&self) -> usize {
        self.size
    }

    fn decode(&self, tokens: &[Token]) -> Result<String, VocabularyError> {
        // Servers spell special tokens out.
        let said: Vec<Token> = tokens.iter().copied().filter(|token| !self.ends.contains(token)).collect();
        if said.is_empty() {
            return Ok(String::new());
        }
        self.server.detokenize(&said).map_err(|error| VocabularyError { source: error.into() })
    }

    fn encode(&self, text: &str) -> Result<Option<Vec<Token>>, VocabularyError> {
        self.server.tokenize(text, false).map(Some).map_err(|error| VocabularyError { source: error.into() })
    }
}

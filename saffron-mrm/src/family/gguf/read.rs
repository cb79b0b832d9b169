//! A decoder's description from a GGUF's metadata.

use super::keys::{self, Keys};
use super::{Gguf, Model, Pairs, Tensors};
use crate::config::{DecoderConfig, Metadata, Seen};
use crate::error::LoadError;
use crate::family::TABLE;

/// No decoder has more.
const MOST_LAYERS: usize = 4096;

/// An architecture that is known.
#[derive(Clone, Copy)]
pub(crate) struct Architecture(pub(super) &'static Gguf);

impl Architecture {
    /// The architecture of a file.
    ///
    /// # Errors
    ///
    /// One that is not known, with those that are.
    pub(crate) fn of(metadata: &Metadata<'_>) -> Result<Self, LoadError> {
        let key = keys::ARCHITECTURE;
        let found = metadata.need(key, metadata.text(key))?;
        let known = all().find(|known| known.architecture == found);
        known.map(Self).ok_or_else(|| metadata.refuse(key, format!("one of {}", names()), found))
    }

    /// How the rows of queries and keys stand.
    pub(crate) fn pairs(self) -> Pairs {
        self.0.pairs
    }

    /// Tensors with divisors of rotary frequencies that a file may have.
    pub(crate) fn divisors(self) -> &'static [&'static str] {
        self.0.divisors
    }

    /// Whether a token of a SentencePiece vocabulary drops the white space behind it.
    pub(crate) fn strips(self, token: &str, control: bool) -> bool {
        (self.0.strips)(token, control)
    }

    /// The description of a file's decoder, without the tokens that end a reply. It is not yet
    /// checked.
    ///
    /// # Errors
    ///
    /// A key that is missing, of another type, or of a value that is not computed; one of the
    /// architecture's that is not known.
    pub(crate) fn config(self, metadata: &Metadata<'_>, tensors: &Tensors) -> Result<DecoderConfig, LoadError> {
        let seen = Seen::default();
        let keys = Keys::new(metadata.noting(&seen), self.0.architecture);
        let config = self.read(keys, tensors)?;
        keys.refuse_unknown(&seen)?;
        Ok(config)
    }

    fn read(self, keys: Keys<'_>, tensors: &Tensors) -> Result<DecoderConfig, LoadError> {
        keys.none("expert_count")?;
        keys.only("attention.causal", true)?;
        let layers = keys.need_count(keys::LAYERS)?;
        if layers == 0 || layers > MOST_LAYERS {
            return Err(keys.refuse(keys::LAYERS, format!("1 to {MOST_LAYERS}"), layers));
        }
        let (hidden, heads) = (keys.need_count(keys::HIDDEN)?, keys.need_count(keys::HEADS)?);
        let head_dim = keys.count(keys::KEY_WIDTH)?.unwrap_or(hidden / heads.max(1));
        keys.same(keys::VALUE_WIDTH, head_dim)?;
        let positions = keys.need_count(keys::POSITIONS)?;
        let model = Model { keys, tensors, layers, heads, head_dim, hidden, positions };
        let embedding = tensors.shapes.get("token_embd.weight");
        Ok(DecoderConfig {
            hidden_size: hidden,
            intermediate_size: keys.need_count(keys::INTERMEDIATE)?,
            num_hidden_layers: layers,
            num_attention_heads: heads,
            num_key_value_heads: keys.count(keys::KEY_HEADS)?.unwrap_or(heads),
            head_dim,
            vocab_size: embedding.and_then(|shape| shape.first()).copied().unwrap_or_default(),
            max_position_embeddings: positions,
            rms_norm_eps: keys.need_real(keys::EPS)?,
            tie_word_embeddings: !tensors.has("output.weight"),
            eos_token_ids: Vec::new(),
            choices: (self.0.choices)(&model)?,
        })
    }
}

fn all() -> impl Iterator<Item = &'static Gguf> {
    TABLE.into_iter().filter_map(|entry| entry.gguf.as_ref())
}

/// The names of all architectures, as errors list them.
fn names() -> String {
    all().map(|known| known.architecture).collect::<Vec<_>>().join(", ")
}

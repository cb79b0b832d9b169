//! The norms of a block.

use burn::tensor::Tensor;

use super::RmsNorm;
use super::heads::HeadNorms;
use crate::config::{DecoderConfig, HeadNormKind, NormPlaces};

/// A place in a block where a norm may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormPlace {
    /// Before attention.
    BeforeAttention,
    /// Of queries, before they are rotated.
    Queries,
    /// Of keys, before they are rotated.
    Keys,
    /// Behind attention, before it is added to the residual stream.
    BehindAttention,
    /// Before the MLP.
    BeforeMlp,
    /// Behind the MLP, before it is added to the residual stream.
    BehindMlp,
}

impl NormPlace {
    /// The places of a description's norms in a block, each with the norm's width.
    pub fn of(config: &DecoderConfig) -> impl Iterator<Item = (Self, usize)> {
        let (hidden, choices) = (config.hidden_size, &config.choices);
        let (before, behind) = (choices.norms != NormPlaces::After, choices.norms != NormPlaces::Before);
        let [query, key] = match choices.head_norms {
            HeadNormKind::None => [None, None],
            HeadNormKind::PerHead => [Some(config.head_dim); 2],
            HeadNormKind::Whole => [config.query_width(), config.key_width()].map(Some),
        };
        let places = [
            (Self::BeforeAttention, before.then_some(hidden)),
            (Self::Queries, query),
            (Self::Keys, key),
            (Self::BehindAttention, behind.then_some(hidden)),
            (Self::BeforeMlp, before.then_some(hidden)),
            (Self::BehindMlp, behind.then_some(hidden)),
        ];
        places.into_iter().filter_map(|(place, width)| Some((place, width?)))
    }
}

/// The norms of a block; none in a place that a family leaves free.
#[derive(Clone, Debug, Default)]
pub struct BlockNorms {
    /// Before attention.
    pub before_attention: Option<RmsNorm>,
    /// Of queries and keys.
    pub heads: Option<HeadNorms>,
    /// Behind attention.
    pub behind_attention: Option<RmsNorm>,
    /// Before the MLP.
    pub before_mlp: Option<RmsNorm>,
    /// Behind the MLP.
    pub behind_mlp: Option<RmsNorm>,
}

impl BlockNorms {
    /// The norms that a description has, each made for its place and of its width.
    ///
    /// # Errors
    ///
    /// What `make` says.
    pub fn build<E>(
        config: &DecoderConfig,
        mut make: impl FnMut(NormPlace, usize) -> Result<RmsNorm, E>,
    ) -> Result<Self, E> {
        let mut norms = Self::default();
        let (mut query, mut key) = (None, None);
        for (place, width) in NormPlace::of(config) {
            let norm = Some(make(place, width)?);
            match place {
                NormPlace::BeforeAttention => norms.before_attention = norm,
                NormPlace::Queries => query = norm,
                NormPlace::Keys => key = norm,
                NormPlace::BehindAttention => norms.behind_attention = norm,
                NormPlace::BeforeMlp => norms.before_mlp = norm,
                NormPlace::BehindMlp => norms.behind_mlp = norm,
            }
        }
        let kind = config.choices.head_norms;
        norms.heads = query.zip(key).map(|(query, key)| HeadNorms { kind, query, key });
        Ok(norms)
    }

    /// All of them, each with its place.
    pub fn each(&self) -> impl Iterator<Item = (NormPlace, &RmsNorm)> {
        let [queries, keys] =
            [self.heads.as_ref().map(|norms| &norms.query), self.heads.as_ref().map(|norms| &norms.key)];
        let places = [
            (NormPlace::BeforeAttention, self.before_attention.as_ref()),
            (NormPlace::Queries, queries),
            (NormPlace::Keys, keys),
            (NormPlace::BehindAttention, self.behind_attention.as_ref()),
            (NormPlace::BeforeMlp, self.before_mlp.as_ref()),
            (NormPlace::BehindMlp, self.behind_mlp.as_ref()),
        ];
        places.into_iter().filter_map(|(place, norm)| Some((place, norm?)))
    }

    pub(super) fn map(&self, change: &impl Fn(Tensor<2>) -> Tensor<2>) -> Self {
        let map = |norm: &Option<RmsNorm>| norm.as_ref().map(|norm| norm.map(change));
        Self {
            before_attention: map(&self.before_attention),
            heads: self.heads.as_ref().map(|norms| norms.map(change)),
            behind_attention: map(&self.behind_attention),
            before_mlp: map(&self.before_mlp),
            behind_mlp: map(&self.behind_mlp),
        }
    }
}

//! The sizes of a row.

/// Type of a row's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 32-bit float.
    F32,
    /// 16-bit float.
    F16,
    /// Brain float.
    BF16,
    /// Any other, of so many bytes.
    Other {
        /// Bytes of a number.
        bytes: usize,
    },
}

impl Element {
    /// Bytes of a number.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Other { bytes } => bytes,
        }
    }
}

/// The sizes of a store's keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreShape {
    /// Transformer layers.
    pub layers: usize,
    /// Key (and value) heads per layer.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Type of the numbers.
    pub element: Element,
}

impl StoreShape {
    /// Numbers in a token's keys (and in its values) of one layer.
    #[must_use]
    pub fn width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Bytes that one token takes in all layers.
    #[must_use]
    pub fn bytes_per_token(&self) -> u64 {
        (self.layers * 2 * self.width() * self.element.bytes()) as u64
    }
}

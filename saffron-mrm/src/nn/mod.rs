//! The decoder, feature-major: activations are `[width, rows]`, weights `[out, in]` and the left operand of every product, which on
//! CPUs reads them once and fast. Rows are tokens of any sequences; only attention knows which belong together.

mod block;
mod causal;
mod decoder;
mod linear;
mod norm;
mod rope;
#[cfg(feature = "flex")]
mod simd;
#[cfg(not(feature = "flex"))]
#[path = "no_simd.rs"]
mod simd;

pub use block::Block;
pub use causal::CausalAttention;
pub use decoder::Decoder;
pub(crate) use decoder::{read_columns, row_indices};
pub use linear::Linear;
pub use norm::RmsNorm;
pub use rope::{Rope, RopeRows};

use burn::tensor::Tensor;

/// How the rows of a forward pass attend to each other and to what is cached.
pub trait Attend: Send {
    /// Attention of one layer.
    ///
    /// # Shapes
    ///
    /// - queries: `[kv_heads, rows, group, head_dim]`, rotated and scaled by `1/√head_dim`
    /// - keys, values: `[kv_heads, rows, head_dim]`, keys rotated
    /// - output: `[kv_heads · group · head_dim, rows]`
    fn attend(&mut self, layer: usize, queries: Tensor<4>, keys: Tensor<3>, values: Tensor<3>) -> Tensor<2>;
}

//! The decoder, feature-major: activations are `[width, rows]`, weights `[out, in]` and the left operand of every product, which on
//! CPUs reads them once and fast. Rows are tokens of any sequences; only attention knows which belong together.

mod activation;
mod block;
mod bound;
mod causal;
mod decoder;
#[cfg(all(feature = "flex", feature = "autodiff"))]
mod fused;
#[cfg(not(all(feature = "flex", feature = "autodiff")))]
#[path = "no_fused.rs"]
mod fused;
mod heads;
mod linear;
pub(crate) mod lora;
mod norm;
mod norms;
mod positions;
mod rope;
#[cfg(feature = "flex")]
mod simd;
#[cfg(not(feature = "flex"))]
#[path = "no_simd.rs"]
mod simd;
mod view;

pub use block::Block;
pub use causal::CausalAttention;
pub use decoder::Decoder;
pub(crate) use decoder::{read_columns, row_indices};
pub use heads::{HeadNorms, HeadShape};
pub use linear::Linear;
pub use norm::RmsNorm;
pub use norms::{BlockNorms, NormPlace};
pub use rope::{Rope, RopeRows};

use burn::tensor::Tensor;

/// How the rows of a forward pass attend to each other and to what is cached.
pub trait Attend: Send {
    /// Attention of one layer.
    ///
    /// # Shapes
    ///
    /// - queries: `[kv_heads, rows, group, head_dim]`, rotated and scaled
    /// - keys, values: `[kv_heads, rows, head_dim]`, keys rotated
    /// - output: `[kv_heads · group · head_dim, rows]`
    fn attend(&mut self, layer: usize, queries: Tensor<4>, keys: Tensor<3>, values: Tensor<3>) -> Tensor<2>;

    /// The same from the joint projection, where gradients are recorded and an operation of its own does it faster.
    ///
    /// # Shapes
    ///
    /// - joint: `[q + 2·kv, rows]`: queries, keys, values, normed where the description says so, nothing of them rotated or scaled
    /// - output: `[kv_heads · group · head_dim, rows]`
    fn attend_joint(
        &mut self,
        _layer: usize,
        _joint: &Tensor<2>,
        _rope: Option<&RopeRows>,
        _heads: &HeadShape,
    ) -> Option<Tensor<2>> {
        None
    }
}

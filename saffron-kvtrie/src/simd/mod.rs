//! Kernels for the `flex` backend, in safe Rust over [`pulp`]'s vectors: compiled for several instruction sets, chosen at run time.
//!
//! One loop carries everything: rows of a matrix, a number at a time, times vectors of columns ([`products`]). A linear layer of few
//! columns, the scores of keys and the mixing of values are all of that form. Tensors of other backends and types never come here.

mod columns;
mod products;
mod tensor;

pub use columns::Columns;
pub use products::{PREFETCH_STEP, fetch, products, scaled_rows};
pub use tensor::{flex, flex_tensor, host};

use pulp::{Simd, WithSimd};

/// Runs a kernel with the best instructions that the processor and this build have.
pub fn dispatch<K: WithSimd>(kernel: K) -> K::Output {
    pulp::Arch::new().dispatch(kernel)
}

/// Numbers in a vector of the instructions that [`dispatch`] uses.
#[must_use]
pub fn lanes() -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;

        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    dispatch(Lanes)
}

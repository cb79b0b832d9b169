//! The function of the MLP's gate in burn's operations.

use burn::tensor::Tensor;
use burn::tensor::activation::{gelu_approximate, silu};

use crate::config::Activation;

impl Activation {
    /// Its value at every number of a tensor.
    pub(super) fn apply(self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Silu => silu(x),
            Self::GeluTanh => gelu_approximate(x),
        }
    }
}

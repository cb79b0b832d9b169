//! What is trained: LoRA factors and the unembedding bias. Everything else is frozen.

use burn::module::{Module, Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use saffron_mrm::RewardHead;
use saffron_mrm::checkpoint::{LoraPair, LoraWeights, Projection};

/// LoRA factors and bias as parameters. Their ids are fixed by their order, so that an optimiser's moments find them again after a
/// restart.
#[derive(Module, Debug)]
pub struct TrainableAdapter {
    factors: Vec<Param<Tensor<2>>>,
    bias: Param<Tensor<1>>,
}

/// Where a pair of factors belongs, and its scale: what of an adapter is not trained.
pub(crate) type Place = ((usize, Projection), f64);

impl TrainableAdapter {
    /// Parameters that begin at an adapter's factors and a head's bias, and the places of the factors.
    pub(crate) fn new(lora: &LoraWeights, head: &RewardHead, device: &Device) -> (Self, Vec<Place>) {
        let places = lora.pairs.iter().map(|(place, pair)| (*place, pair.scale)).collect();
        let tensors = lora.pairs.values().flat_map(|pair| [&pair.a, &pair.b]);
        let factors = tensors.zip(2..).map(|(tensor, id)| parameter(id, tensor.clone(), device)).collect();
        let bias = Tensor::from_data(TensorData::from(head.bias.as_slice()), device);
        (Self { factors, bias: parameter(1, bias, device) }, places)
    }

    /// The same with a bias that stays what it is.
    pub(crate) fn with_frozen_bias(self) -> Self {
        Self { bias: self.bias.set_require_grad(false), ..self }
    }

    /// The factors as a decoder takes them.
    pub(crate) fn lora(&self, places: &[Place]) -> LoraWeights {
        let pairs = places.iter().zip(self.factors.chunks_exact(2));
        let pair = |((place, scale), factors): (&Place, &[Param<Tensor<2>>])| {
            (*place, LoraPair { a: factors[0].val(), b: factors[1].val(), scale: *scale })
        };
        LoraWeights { pairs: pairs.map(pair).collect() }
    }

    /// The bias.
    ///
    /// # Shapes
    ///
    /// - output: `[vocab]`
    #[must_use]
    pub fn bias(&self) -> Tensor<1> {
        self.bias.val()
    }
}

fn parameter<const D: usize>(id: u64, tensor: Tensor<D>, device: &Device) -> Param<Tensor<D>> {
    let tensor = Tensor::from_data(tensor.into_data(), device);
    Param::initialized(ParamId::from(id), tensor.require_grad())
}

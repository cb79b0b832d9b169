//! What is trained: LoRA factors or a decoder's matrices, and the unembedding bias. Everything else is frozen.

use burn::module::{Module, Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use saffron_mrm::RewardHead;
use saffron_mrm::checkpoint::{LoraPair, LoraWeights, Projection};
use saffron_mrm::nn::Decoder;

/// Ids of parameters: the bias has one below those of the factors.
const BIAS: u64 = 1;
const FACTORS: u64 = 2;
/// Beyond any number of factors.
const MATRICES: u64 = 1 << 32;

/// LoRA factors or matrices, and bias, as parameters. Their ids are fixed by their order, so that an optimiser's moments find them again
/// after a restart.
#[derive(Module, Debug)]
pub struct TrainableAdapter {
    factors: Vec<Param<Tensor<2>>>,
    /// In the order of [`Decoder::matrices`]; none where the decoder is frozen.
    matrices: Vec<Param<Tensor<2>>>,
    bias: Param<Tensor<1>>,
}

/// Where a pair of factors belongs, and its scale: what of an adapter is not trained.
pub(crate) type Place = ((usize, Projection), f64);

impl TrainableAdapter {
    /// Parameters that begin at an adapter's factors and a head's bias, and the places of the factors.
    pub(crate) fn new(lora: &LoraWeights, head: &RewardHead, device: &Device) -> (Self, Vec<Place>) {
        let places = lora.pairs.iter().map(|(place, pair)| (*place, pair.scale)).collect();
        let tensors = lora.pairs.values().flat_map(|pair| [&pair.a, &pair.b]);
        let factors = tensors.zip(FACTORS..).map(|(tensor, id)| parameter(id, tensor.clone(), device)).collect();
        (Self { factors, matrices: Vec::new(), bias: bias(head, device) }, places)
    }

    /// Parameters that begin at a decoder's matrices and a head's bias.
    pub(crate) fn full(decoder: &Decoder, head: &RewardHead, device: &Device) -> Self {
        let matrices = decoder.matrices().zip(MATRICES..);
        let matrices = matrices.map(|(tensor, id)| parameter(id, tensor.clone(), device)).collect();
        Self { factors: Vec::new(), matrices, bias: bias(head, device) }
    }

    /// The same with a bias that is trained, or stays what it is.
    pub(crate) fn with_bias(self, trained: bool) -> Self {
        Self { bias: self.bias.set_require_grad(trained), ..self }
    }

    /// A decoder with the parameters: beside its weights, or in their place.
    pub(crate) fn within(&self, decoder: &Decoder, places: &[Place]) -> Decoder {
        if self.matrices.is_empty() {
            return decoder.clone().with_lora(self.lora(places));
        }
        let mut trained = self.matrices.iter();
        decoder.map_matrices(|frozen| trained.next().map_or(frozen, Param::val))
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

fn bias(head: &RewardHead, device: &Device) -> Param<Tensor<1>> {
    let bias = Tensor::from_data(TensorData::from(head.bias.as_slice()), device);
    parameter(BIAS, bias, device)
}

fn parameter<const D: usize>(id: u64, tensor: Tensor<D>, device: &Device) -> Param<Tensor<D>> {
    let tensor = Tensor::from_data(tensor.into_data(), device);
    Param::initialized(ParamId::from(id), tensor.require_grad())
}

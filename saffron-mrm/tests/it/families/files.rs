//! Families' checkpoints, written and read again.

use burn::tensor::{DType, Device};
use saffron_mrm::DecoderConfig;
use saffron_mrm::checkpoint::Checkpoint;
use saffron_mrm::nn::Decoder;

use super::{families, path};

fn bits(decoder: &Decoder) -> Vec<u32> {
    let matrices = decoder.matrices().cloned();
    let norms = decoder.blocks().iter().flat_map(|block| block.norms.each()).map(|(_, norm)| norm.weight().clone());
    let tensors = matrices.chain(norms).chain([decoder.norm().weight().clone()]);
    tensors.flat_map(|tensor| tensor.into_data().try_into_vec::<f32>().unwrap()).map(f32::to_bits).collect()
}

#[test]
fn a_decoder_that_is_written_loads_with_the_same_bits() {
    for name in families() {
        let decoder = Decoder::from_dir(&path(&name).join("policy"), DType::F32, &Device::flex()).unwrap();
        let out = tempfile::tempdir().unwrap();
        decoder.save(out.path(), DType::F32).unwrap();
        let again = Decoder::from_dir(out.path(), DType::F32, &Device::flex()).unwrap();
        assert_eq!(again.config(), decoder.config(), "{name}");
        assert!(bits(&again) == bits(&decoder), "{name}");
    }
}

#[test]
fn a_checkpoint_that_is_exported_is_the_same_model() {
    for name in families() {
        let out = tempfile::tempdir().unwrap();
        let to = out.path().join("model");
        let source = Checkpoint::open(path(&name).join("policy")).unwrap();
        source.export(&to, DType::F32).unwrap();
        assert_eq!(DecoderConfig::from_dir(&to).unwrap(), source.config().unwrap(), "{name}");
        let load = |dir| Decoder::from_dir(dir, DType::F32, &Device::flex()).unwrap();
        assert!(bits(&load(&to)) == bits(&load(source.path())), "{name}");
    }
}

//! Reference numbers of transformers and peft, training losses included.

use burn::tensor::Device;
use saffron_examples::reference::ReferenceFile;

pub(crate) fn gap(found: &[f32], expected: &[f32]) -> f32 {
    let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    found.iter().zip(expected).fold(0f32, |gap, (a, b)| gap.max((a - b).abs())) / largest
}

#[test]
fn reference_numbers_are_reproduced() {
    for model in ["tiny-a", "tiny-b"] {
        let dir = crate::fixtures().join(model);
        let expected = ReferenceFile::read(&dir.join("reference.json")).unwrap();
        let found = expected.recompute(&dir, &Device::flex()).unwrap();
        for (found, expected) in [(&found.logits, &expected.logits), (&found.rewards, &expected.rewards)] {
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                assert!(gap(found, expected) < 1e-4, "{model}: {}", gap(found, expected));
            }
        }
        assert_eq!(found.train.losses.len(), 20);
        for (step, (found, expected)) in found.train.losses.iter().zip(&expected.train.losses).enumerate() {
            assert!((found - expected).abs() < 1e-3 * expected.abs(), "{model} step {step}: {found} for {expected}");
        }
    }
}

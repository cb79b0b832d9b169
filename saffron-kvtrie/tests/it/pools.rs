//! The pools: in place, within the budget, finite where nothing was written.

use burn::tensor::{DType, Device, Tensor, TensorData};
use saffron_kvtrie::{Extent, KvPools, PoolShape};

const SHAPE: PoolShape = PoolShape { layers: 2, kv_heads: 3, head_dim: 4, dtype: DType::F32 };

fn rows(first: f32, count: usize) -> Tensor<3> {
    let values: Vec<f32> = (0..3 * count * 4).map(|i| first + i as f32).collect();
    Tensor::from_data(TensorData::new(values, [3, count, 4]), &Device::flex())
}

#[test]
fn writes_are_in_place_and_read_back() {
    let mut pools = KvPools::new(SHAPE, 400, &Device::flex());
    let extents = [(0, Extent { base: 5, len: 2 }), (2, Extent { base: 9, len: 1 })];
    for layer in 0..2 {
        pools.write(layer, &extents, &rows(100.0, 3), &rows(200.0, 3));
    }
    assert_eq!(pools.copied_writes(), 0);
    let (keys, values) = pools.view(1, Extent { base: 5, len: 2 });
    assert_eq!(keys.into_data(), rows(100.0, 3).slice([0..3, 0..2, 0..4]).into_data());
    assert_eq!(values.into_data(), rows(200.0, 3).slice([0..3, 0..2, 0..4]).into_data());
    let slots = Tensor::from_data(TensorData::from([9i32, 0, 5].as_slice()), &Device::flex());
    let (keys, _) = pools.gather(0, &slots);
    let expected = rows(100.0, 3).slice([0..3, 2..3, 0..4]).into_data();
    assert_eq!(keys.clone().slice([0..3, 0..1, 0..4]).into_data(), expected);
    assert_eq!(keys.slice([0..3, 1..2, 0..4]).abs().sum().into_scalar::<f32>(), 0.0, "the null row is zero");
}

#[test]
fn a_write_beside_a_living_view_copies_and_is_right() {
    let mut pools = KvPools::new(SHAPE, 400, &Device::flex());
    let extent = Extent { base: 1, len: 1 };
    pools.write(0, &[(0, extent)], &rows(1.0, 1), &rows(1.0, 1));
    let (before, _) = pools.view(0, extent);
    pools.write(0, &[(0, extent)], &rows(50.0, 1), &rows(50.0, 1));
    assert!(pools.copied_writes() > 0);
    assert_eq!(before.into_data(), rows(1.0, 1).into_data(), "the view keeps what it saw");
    assert_eq!(pools.view(0, extent).0.into_data(), rows(50.0, 1).into_data());
}

#[test]
fn growing_keeps_rows_and_never_passes_the_budget() {
    let budget = 1_000_000;
    let tokens = SHAPE.tokens_within(budget).unwrap();
    let mut pools = KvPools::new(SHAPE, tokens, &Device::flex());
    assert!(pools.slots() < tokens as usize, "pools begin small");
    pools.write(0, &[(0, Extent { base: 3, len: 1 })], &rows(7.0, 1), &rows(8.0, 1));
    let before = pools.slots();
    pools.ensure(tokens as usize + 1);
    assert_eq!(pools.slots(), tokens as usize + 1);
    assert_eq!(pools.view(0, Extent { base: 3, len: 1 }).0.into_data(), rows(7.0, 1).into_data());
    // The most there is at once: all pools at full size but the last, which exists twice.
    let one_pool = SHAPE.bytes_per_token() / 4;
    let peak = pools.bytes() + one_pool * before.max(pools.slots() / 2) as u64;
    assert!(peak <= budget, "{peak} of {budget}");
}

#[test]
fn a_budget_below_one_token_is_refused() {
    assert!(SHAPE.tokens_within(SHAPE.bytes_per_token()).is_err());
    assert!(SHAPE.tokens_within(3 * SHAPE.bytes_per_token()).is_ok());
}

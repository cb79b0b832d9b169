//! The pools: in place, within the budget, finite where nothing was written.

use burn::tensor::{DType, Device, Tensor, TensorData};
use saffron_kvtrie::pool::PoolRows;
use saffron_kvtrie::{Extent, KvPools, KvStore, Move, PoolShape, StoreError};

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
    pools.ensure(tokens as usize + 1).unwrap();
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

fn pair(first: f32, count: usize) -> PoolRows {
    PoolRows { keys: rows(first, count), values: rows(-first, count) }
}

#[test]
fn what_is_not_there_is_refused_on_the_host() {
    let mut pools = KvPools::new(SHAPE, 400, &Device::flex());
    let slots = pools.slots();
    let one = Extent { base: 1, len: 1 };
    let last = Extent { base: slots as u32 - 1, len: 2 };
    let outside = StoreError::OutOfRange { base: last.base, len: 2, slots };
    let mut refused =
        |layer, writes: &[(usize, Extent)], rows| KvStore::write(&mut pools, layer, writes, &rows).unwrap_err();
    assert_eq!(refused(0, &[(0, last)], pair(0.0, 2)), outside);
    assert_eq!(refused(2, &[(0, one)], pair(0.0, 2)), StoreError::Layer { layer: 2, layers: 2 });
    assert_eq!(refused(0, &[(0, Extent { base: 0, len: 1 })], pair(0.0, 2)), StoreError::NullRow);
    assert_eq!(refused(0, &[(2, one)], pair(0.0, 2)), StoreError::RowCount { need: 3, found: 2 });
    let wide = PoolRows { keys: rows(0.0, 2), values: Tensor::zeros([3, 2, 5], &Device::flex()) };
    let expected = StoreError::Shape { what: "values", expected: vec![3, 2, 4], found: vec![3, 2, 5] };
    assert_eq!(refused(0, &[(0, one)], wide), expected);
    assert_eq!(pools.read(0, &[last]).unwrap_err(), outside);
    assert_eq!(
        pools.copy(&[Move { from: one, to: last.base + 1 }]).unwrap_err(),
        StoreError::OutOfRange { base: last.base + 1, len: 1, slots }
    );
    assert_eq!(pools.ensure(402).unwrap_err(), StoreError::Limit { need: 402, limit: 401 });
    assert_eq!(pools.copied_writes(), 0);
}

#[test]
fn rows_change_places_in_every_layer_and_in_place() {
    let mut pools = KvPools::new(SHAPE, 40, &Device::flex());
    let extents = [Extent { base: 1, len: 3 }, Extent { base: 20, len: 1 }];
    for layer in 0..2 {
        KvStore::write(&mut pools, layer, &[(0, extents[0]), (3, extents[1])], &pair(layer as f32, 4)).unwrap();
    }
    let before: Vec<PoolRows> = (0..2).map(|layer| pools.read(layer, &extents).unwrap()).collect();
    pools.copy(&[Move { from: extents[1], to: 1 }, Move { from: extents[0], to: 2 }]).unwrap();
    let after = [Extent { base: 2, len: 3 }, Extent { base: 1, len: 1 }];
    for (layer, before) in before.into_iter().enumerate() {
        let now = pools.read(layer, &after).unwrap();
        assert_eq!(now.keys.into_data(), before.keys.into_data());
        assert_eq!(now.values.into_data(), before.values.into_data());
    }
    let stats = pools.stats();
    assert_eq!((stats.writes_in_place, stats.writes_copied), (4, 0));
    assert_eq!(stats.gathered_bytes, 4 * 4 * 2 * 3 * 4 * 4, "four reads of four rows");
}

#[test]
fn a_read_of_one_extent_is_a_copy_that_does_not_stand_in_the_way_of_writes() {
    let mut pools = KvPools::new(SHAPE, 40, &Device::flex());
    let extent = Extent { base: 1, len: 2 };
    KvStore::write(&mut pools, 0, &[(0, extent)], &pair(1.0, 2)).unwrap();
    let held = pools.read(0, &[extent]).unwrap();
    KvStore::write(&mut pools, 0, &[(0, extent)], &pair(9.0, 2)).unwrap();
    assert_eq!(pools.copied_writes(), 0);
    assert_eq!(held.keys.into_data(), rows(1.0, 2).into_data());
    assert_eq!(pools.read(0, &[]).unwrap().keys.dims(), [3, 0, 4]);
}

#[test]
fn a_lower_limit_gives_memory_back_and_a_higher_one_is_grown_into() {
    let mut pools = KvPools::new(SHAPE, 400, &Device::flex());
    pools.ensure(401).unwrap();
    let extent = Extent { base: 3, len: 1 };
    KvStore::write(&mut pools, 1, &[(0, extent)], &pair(7.0, 1)).unwrap();
    pools.set_limit(10);
    assert_eq!((pools.slots(), pools.bytes()), (10, 10 * SHAPE.bytes_per_token()));
    assert!(pools.ensure(11).is_err());
    pools.set_limit(500);
    pools.ensure(11).unwrap();
    assert_eq!(pools.slots(), 20);
    assert_eq!(pools.view(1, extent).1.into_data(), rows(-7.0, 1).into_data());
    KvStore::write(&mut pools, 1, &[(0, extent)], &pair(8.0, 1)).unwrap();
    assert_eq!(pools.copied_writes(), 0, "writes are in place at every size");
}

#[test]
fn pools_that_the_host_has_no_memory_for_are_refused_and_change_nothing() {
    let shape = PoolShape { layers: 1, kv_heads: 1 << 7, head_dim: 1 << 8, dtype: DType::F32 };
    // 2³¹ slots of 2¹⁷ bytes are more than a process can address.
    let mut pools = KvPools::new(shape, u32::MAX - 1, &Device::flex());
    let slots = pools.slots();
    assert_eq!(pools.ensure(1 << 31), Err(StoreError::Memory { bytes: 1 << 48 }));
    assert_eq!(pools.slots(), slots);
}

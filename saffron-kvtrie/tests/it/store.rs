//! The store in host memory: what it refuses, what it counts.

use saffron_kvtrie::store::HostRows;
use saffron_kvtrie::{Extent, HostStore, KvStore, Move, StoreError};

fn rows(numbers: &[f32]) -> HostRows {
    HostRows { keys: numbers.to_vec(), values: numbers.iter().map(|number| -number).collect() }
}

fn extent(base: u32, len: u32) -> Extent {
    Extent { base, len }
}

fn filled() -> HostStore {
    let mut store = HostStore::new(2, 1, 2, 9);
    store.ensure(6).unwrap();
    for layer in 0..2 {
        store.write(layer, &[(0, extent(1, 5))], &rows(&[1., 1., 2., 2., 3., 3., 4., 4., 5., 5.])).unwrap();
    }
    store
}

#[test]
fn what_is_not_there_is_refused_before_anything_is_written() {
    let mut store = filled();
    let four = rows(&[7., 7., 7., 7.]);
    let slots = store.slots();
    let mut refused =
        |layer, writes: &[(usize, Extent)], rows: &HostRows| store.write(layer, writes, rows).unwrap_err();
    assert_eq!(refused(2, &[(0, extent(1, 1))], &four), StoreError::Layer { layer: 2, layers: 2 });
    assert_eq!(
        refused(0, &[(0, extent(1, 1)), (1, extent(8, 1))], &four),
        StoreError::OutOfRange { base: 8, len: 1, slots }
    );
    assert_eq!(
        refused(0, &[(0, extent(u32::MAX, 2))], &four),
        StoreError::OutOfRange { base: u32::MAX, len: 2, slots }
    );
    assert_eq!(refused(0, &[(0, extent(0, 1))], &four), StoreError::NullRow);
    assert_eq!(refused(0, &[(1, extent(1, 2))], &four), StoreError::RowCount { need: 3, found: 2 });
    assert!(matches!(refused(0, &[], &rows(&[1.0])), StoreError::Shape { .. }));
    assert_eq!(store.read(0, &[extent(7, 2)]), Err(StoreError::OutOfRange { base: 7, len: 2, slots }));
    assert_eq!(store.copy(&[Move { from: extent(1, 1), to: 0 }]), Err(StoreError::NullRow));
    assert!(matches!(store.copy(&[Move { from: extent(1, 2), to: 7 }]), Err(StoreError::OutOfRange { base: 7, .. })));
    assert_eq!(store.ensure(11), Err(StoreError::Limit { need: 11, limit: 10 }));
    let short = [vec![0; 8], vec![0; 7]];
    assert_eq!(store.import(0, &[extent(1, 1)], short), Err(StoreError::Bytes { expected: 8, found: 7 }));
    assert_eq!(store.read(0, &[extent(0, 6)]).unwrap().keys, [0., 0., 1., 1., 2., 2., 3., 3., 4., 4., 5., 5.]);
}

#[test]
fn rows_that_change_places_with_each_other_do() {
    let mut store = filled();
    let moves = [(4, 2, 1), (1, 2, 4), (3, 1, 3)].map(|(base, len, to)| Move { from: extent(base, len), to });
    store.copy(&moves).unwrap();
    for layer in 0..2 {
        assert_eq!(store.read(layer, &[extent(1, 5)]).unwrap(), rows(&[4., 4., 5., 5., 3., 3., 1., 1., 2., 2.]));
    }
}

#[test]
fn what_is_exported_can_be_imported_elsewhere() {
    let mut store = HostStore::new(1, 2, 2, 9);
    store.ensure(10).unwrap();
    let two = rows(&[1., 2., 3., 4., 5., 6., 7., 8.]);
    store.write(0, &[(0, extent(3, 2))], &two).unwrap();
    let bytes = store.export(0, &[extent(3, 2)]).unwrap();
    let first: Vec<f32> = bytes[0].as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect();
    assert_eq!(first, [1., 2., 5., 6., 3., 4., 7., 8.], "head by head");
    store.import(0, &[extent(8, 1), extent(1, 1)], bytes).unwrap();
    assert_eq!(store.read(0, &[extent(8, 1), extent(1, 1)]).unwrap(), two);
}

#[test]
fn the_counts_are_of_what_was_done() {
    let mut store = filled();
    store.read(1, &[extent(1, 2), extent(5, 1)]).unwrap();
    let stats = store.stats();
    assert_eq!((stats.writes_in_place, stats.writes_copied, stats.grows), (4, 0, 1));
    assert_eq!((stats.gathered_bytes, stats.bytes), (3 * 2 * 2 * 4, 8 * 2 * 2 * 2 * 4));
    store.set_limit(3).unwrap();
    assert_eq!((store.slots(), store.stats().bytes), (3, 3 * 2 * 2 * 2 * 4));
    store.set_limit(100).unwrap();
    store.ensure(4).unwrap();
    assert_eq!(store.read(0, &[extent(2, 2)]).unwrap(), rows(&[2., 2., 0., 0.]), "what was given up is gone");
}

#[test]
fn slots_that_the_host_has_no_memory_for_are_refused_and_change_nothing() {
    // 2²⁸ slots of 2²⁰ numbers are more than a process can address.
    let mut store = HostStore::new(1, 1 << 10, 1 << 10, u32::MAX - 1);
    assert!(matches!(store.ensure(1 << 28), Err(StoreError::Memory { bytes }) if bytes > 1 << 49));
    assert_eq!((store.slots(), store.stats().grows), (1, 0));
    store.ensure(2).unwrap();
    assert_eq!(store.slots(), 2);
}

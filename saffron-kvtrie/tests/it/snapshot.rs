//! Snapshots: what is saved is found again, and nothing else is believed.

use std::path::Path;

use burn::tensor::{DType, Device, Tensor, TensorData};
use saffron_kvtrie::snapshot::{SnapshotError, load, save};
use saffron_kvtrie::{Extent, KvPools, PoolShape, Reuse, Trie, Want};

const SHAPE: PoolShape = PoolShape { layers: 2, kv_heads: 2, head_dim: 4, dtype: DType::F32 };
const MODEL: &[u8] = b"a model";

/// A number for a token's place in its path, the same wherever its slot is.
fn number(path: &[u32], layer: usize, index: usize) -> f32 {
    let hash =
        path.iter().fold(layer as u32 + 1, |hash, token| hash.wrapping_mul(31).wrapping_add(*token).wrapping_add(1));
    (hash % 1000) as f32 + index as f32 / 16.0
}

fn filled() -> (Trie, KvPools, Vec<Vec<u32>>) {
    let contexts: Vec<Vec<u32>> =
        vec![vec![1, 2, 3, 4], vec![1, 2, 9], vec![7], vec![1, 2, 3, 4, 5, 6], vec![u32::MAX, 0]];
    let (mut trie, mut pools) = (Trie::new(40), KvPools::new(SHAPE, 40, &Device::flex()));
    for context in &contexts {
        let reservation = trie.reserve(&[Want::keep(context)], Reuse::Cached).unwrap();
        pools.ensure(reservation.slot_bound());
        let rows = reservation.tokens().len();
        for layer in 0..SHAPE.layers {
            let cell =
                |row: usize, index: usize| number(&context[..=reservation.positions()[row] as usize], layer, index);
            let cells =
                (0..SHAPE.kv_heads).flat_map(|_| (0..rows).flat_map(|row| (0..4).map(move |index| (row, index))));
            let values: Vec<f32> = cells.map(|(row, index)| cell(row, index)).collect();
            let tensor = Tensor::from_data(TensorData::new(values, [SHAPE.kv_heads, rows, 4]), &Device::flex());
            pools.write(layer, &reservation.writes(), &tensor, &tensor);
        }
        trie.commit(reservation);
    }
    (trie, pools, contexts)
}

fn assert_rows(trie: &mut Trie, pools: &KvPools, contexts: &[Vec<u32>]) {
    for context in contexts {
        let found = trie.match_prefix(context);
        assert_eq!(found.matched, context.len(), "{context:?} is stored");
        let slots: Vec<u32> = trie.path(&found.seq).unwrap().iter().flat_map(|extent| extent.slots()).collect();
        for (layer, (depth, slot)) in
            (0..SHAPE.layers).flat_map(|layer| slots.iter().enumerate().map(move |at| (layer, at)))
        {
            let (keys, values) = pools.view(layer, Extent { base: *slot, len: 1 });
            let expected: Vec<f32> = (0..8).map(|index| number(&context[..=depth], layer, index % 4)).collect();
            assert_eq!(keys.into_data().try_into_vec::<f32>().unwrap(), expected);
            assert_eq!(values.into_data().try_into_vec::<f32>().unwrap(), expected);
        }
    }
}

fn open(path: &Path) -> Result<(Trie, KvPools), SnapshotError> {
    load(path, MODEL, SHAPE, 40, &Device::flex())
}

#[test]
fn what_is_saved_is_found_again_and_nothing_is_held() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache");
    let (trie, pools, contexts) = filled();
    save(&path, MODEL, &trie, &pools).unwrap();
    let (mut again, pools) = open(&path).unwrap();
    again.validate(&[]).unwrap();
    assert_rows(&mut again, &pools, &contexts);
    let stats = again.stats();
    assert_eq!((stats.live, stats.pinned), (10, 0));
    let other = dir.path().join("again");
    save(&other, MODEL, &again, &pools).unwrap();
    let (first, second) = (std::fs::read(&path).unwrap(), std::fs::read(&other).unwrap());
    assert_eq!(first, second, "saving what was loaded gives the same file");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "no half-written file is left");
    assert_eq!(again.clear(), 10);
}

#[test]
fn an_empty_trie_has_a_snapshot_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache");
    save(&path, MODEL, &Trie::new(4), &KvPools::new(SHAPE, 4, &Device::flex())).unwrap();
    assert_eq!(open(&path).unwrap().0.stats().live, 0);
}

#[test]
fn a_snapshot_of_another_model_type_or_shape_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache");
    let (trie, pools, _) = filled();
    save(&path, MODEL, &trie, &pools).unwrap();
    let refused = |fingerprint: &[u8], shape: PoolShape, tokens: u32| {
        let error = load(&path, fingerprint, shape, tokens, &Device::flex()).unwrap_err();
        assert!(matches!(error, SnapshotError::Mismatch { .. }), "{error}");
        error.to_string()
    };
    assert!(refused(b"another", SHAPE, 40).contains("fingerprint"));
    assert!(refused(MODEL, PoolShape { dtype: DType::F16, ..SHAPE }, 40).contains("element type"));
    assert!(refused(MODEL, PoolShape { layers: 3, ..SHAPE }, 40).contains("layers"));
    assert!(refused(MODEL, PoolShape { head_dim: 8, ..SHAPE }, 40).contains("head width"));
    assert!(refused(MODEL, SHAPE, 9).contains("tokens"));
    assert!(open(&dir.path().join("missing")).is_err());
}

#[test]
fn no_damaged_file_is_believed_wherever_the_damage_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache");
    let (trie, pools, _) = filled();
    save(&path, MODEL, &trie, &pools).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let damaged = dir.path().join("damaged");
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        std::fs::write(&damaged, &flipped).unwrap();
        assert!(open(&damaged).is_err(), "a flipped bit at {at}");
    }
    for length in (0..whole.len()).step_by(7) {
        std::fs::write(&damaged, &whole[..length]).unwrap();
        assert!(open(&damaged).is_err(), "cut at {length}");
    }
    std::fs::write(&damaged, [&whole[..], &[0]].concat()).unwrap();
    assert!(open(&damaged).is_err(), "a byte too many");
}

//! Snapshots: what is saved is found again, and nothing else is believed.

use std::path::Path;

use burn::tensor::{DType, Device, Tensor, TensorData};
use saffron_kvtrie::evict::Lru;
use saffron_kvtrie::pool::PoolRows;
use saffron_kvtrie::snapshot::SnapshotError;
use saffron_kvtrie::store::{HostStore, KvStore};
use saffron_kvtrie::{Extent, KvPools, KvTrie, PoolShape, Reservation, Reuse, StoreError, Want};

const SHAPE: PoolShape = PoolShape { layers: 2, kv_heads: 2, head_dim: 4, dtype: DType::F32 };
const MODEL: &[u8] = b"a model";

/// A number for a token's place in its path, the same wherever its slot is.
fn number(path: &[u32], layer: usize, index: usize) -> f32 {
    let hash =
        path.iter().fold(layer as u32 + 1, |hash, token| hash.wrapping_mul(31).wrapping_add(*token).wrapping_add(1));
    (hash % 1000) as f32 + index as f32 / 16.0
}

fn contexts() -> Vec<Vec<u32>> {
    vec![vec![1, 2, 3, 4], vec![1, 2, 9], vec![7], vec![1, 2, 3, 4, 5, 6], vec![u32::MAX, 0]]
}

/// Writes the rows of one context.
fn forward(reservation: &Reservation, pools: &mut KvPools, context: &[u32]) -> Result<(), StoreError> {
    let rows = reservation.tokens().len();
    for layer in 0..SHAPE.layers {
        let cell = |row: usize, index: usize| number(&context[..=reservation.positions()[row] as usize], layer, index);
        let cells = (0..SHAPE.kv_heads).flat_map(|_| (0..rows).flat_map(|row| (0..4).map(move |index| (row, index))));
        let values: Vec<f32> = cells.map(|(row, index)| cell(row, index)).collect();
        let keys = Tensor::from_data(TensorData::new(values, [SHAPE.kv_heads, rows, 4]), &Device::flex());
        KvStore::write(pools, layer, &reservation.writes(), &PoolRows { values: keys.clone(), keys })?;
    }
    Ok(())
}

fn pools(shape: PoolShape, tokens: u32) -> KvPools {
    KvPools::new(shape, tokens, &Device::flex())
}

fn filled() -> KvTrie<KvPools> {
    let mut cache = KvTrie::new(pools(SHAPE, 40));
    for context in contexts() {
        cache.step(&[Want::keep(&context)], Reuse::Cached, |rows, store| forward(rows, store, &context)).unwrap();
    }
    cache
}

fn assert_rows(cache: &mut KvTrie<KvPools>) {
    for context in contexts() {
        let found = cache.match_prefix(&context);
        assert_eq!(found.matched, context.len(), "{context:?} is stored");
        let slots: Vec<u32> = cache.trie().path(&found.seq).unwrap().iter().flat_map(|extent| extent.slots()).collect();
        for (layer, (depth, slot)) in
            (0..SHAPE.layers).flat_map(|layer| slots.iter().enumerate().map(move |at| (layer, at)))
        {
            let (keys, values) = cache.store().view(layer, Extent { base: *slot, len: 1 });
            let expected: Vec<f32> = (0..8).map(|index| number(&context[..=depth], layer, index % 4)).collect();
            assert_eq!(keys.into_data().try_into_vec::<f32>().unwrap(), expected);
            assert_eq!(values.into_data().try_into_vec::<f32>().unwrap(), expected);
        }
    }
}

fn open(path: &Path) -> Result<KvTrie<KvPools>, SnapshotError> {
    KvTrie::restore(path, MODEL, pools(SHAPE, 40), Lru::default())
}

/// A snapshot's bytes with its checksum made right again.
fn resigned(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 4;
    let sum = crc32(&bytes[..end]);
    bytes[end..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// CRC-32 bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
    !bytes.iter().fold(!0, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum)))
}

#[test]
fn what_is_saved_is_found_again_and_nothing_is_held() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache");
    let cache = filled();
    cache.save(&path, MODEL).unwrap();
    let mut again = open(&path).unwrap();
    again.validate(&[]).unwrap();
    assert_rows(&mut again);
    let stats = again.stats().trie;
    assert_eq!((stats.live, stats.pinned), (10, 0));
    let other = dir.path().join("again");
    again.save(&other, MODEL).unwrap();
    let (first, second) = (std::fs::read(&path).unwrap(), std::fs::read(&other).unwrap());
    assert_eq!(first, second, "saving what was loaded gives the same file");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "no half-written file is left");
    assert_eq!(again.clear(), 10);
}

#[test]
fn a_store_in_host_memory_reads_what_pools_wrote_and_the_other_way_round() {
    let dir = tempfile::tempdir().unwrap();
    let (path, back) = (dir.path().join("pools"), dir.path().join("host"));
    filled().save(&path, MODEL).unwrap();
    let host: KvTrie<HostStore> = KvTrie::restore(&path, MODEL, HostStore::new(2, 2, 4, 40), Lru::default()).unwrap();
    host.save(&back, MODEL).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&back).unwrap());
    assert_rows(&mut open(&back).unwrap());
}

#[test]
fn an_empty_trie_has_a_snapshot_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache");
    KvTrie::new(pools(SHAPE, 4)).save(&path, MODEL).unwrap();
    assert_eq!(open(&path).unwrap().stats().trie.live, 0);
}

#[test]
fn a_snapshot_of_another_model_type_shape_or_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache");
    filled().save(&path, MODEL).unwrap();
    let refused = |fingerprint: &[u8], shape: PoolShape, tokens: u32| {
        let error =
            KvTrie::<_, _, std::hash::RandomState>::restore(&path, fingerprint, pools(shape, tokens), Lru::default());
        let error = error.unwrap_err();
        assert!(matches!(error, SnapshotError::Mismatch { .. }), "{error}");
        error.to_string()
    };
    assert!(refused(b"another", SHAPE, 40).contains("fingerprint"));
    assert!(refused(MODEL, PoolShape { dtype: DType::F16, ..SHAPE }, 40).contains("element type"));
    assert!(refused(MODEL, PoolShape { layers: 3, ..SHAPE }, 40).contains("layers"));
    assert!(refused(MODEL, PoolShape { head_dim: 8, ..SHAPE }, 40).contains("head width"));
    assert!(refused(MODEL, SHAPE, 9).contains("tokens"));
    assert!(open(&dir.path().join("missing")).is_err());
    let mut newer = std::fs::read(&path).unwrap();
    assert_eq!(resigned(newer.clone()), newer, "the checksum is a CRC-32");
    newer[8] += 1;
    std::fs::write(&path, resigned(newer)).unwrap();
    assert!(open(&path).unwrap_err().to_string().contains("format version is 2, expected 1"));
}

#[test]
fn no_damaged_file_is_believed_wherever_the_damage_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache");
    filled().save(&path, MODEL).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let open = |bytes: &[u8]| -> Result<KvTrie<HostStore>, SnapshotError> {
        KvTrie::restore_bytes(bytes, MODEL, HostStore::new(2, 2, 4, 40), Lru::default())
    };
    assert!(open(&whole).is_ok());
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(open(&flipped).is_err(), "a flipped bit at {at}");
    }
    for length in 0..whole.len() {
        assert!(open(&whole[..length]).is_err(), "cut at {length}");
    }
    assert!(open(&[&whole[..], &[0]].concat()).is_err(), "a byte too many");
}

#[test]
fn a_cause_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let error = open(&folder.path().join("none")).err().unwrap();
    assert!(matches!(error, SnapshotError::Io { .. }), "{error}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(error.to_string().contains("none") && !error.to_string().contains(&cause), "{error}: {cause}");
    let error = SnapshotError::from(StoreError::Device(String::from("gone")));
    assert_eq!(error.to_string(), "rows cannot be moved");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the device failed: gone");
}

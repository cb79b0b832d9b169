//! Bytes as a snapshot: refused, or a cache whose books are right and which saves to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use saffron_kvtrie::evict::Lru;
use saffron_kvtrie::snapshot::{SnapshotError, save_bytes};
use saffron_kvtrie::{HostStore, KvTrie};

/// CRC-32, so that the fuzzer gets past the checksum.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
    !bytes.iter().fold(!0, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum)))
}

fn load(bytes: &[u8]) -> Result<KvTrie<HostStore>, SnapshotError> {
    KvTrie::restore_bytes(bytes, b"m", HostStore::new(1, 1, 1, 50), Lru::default())
}

fuzz_target!(|body: &[u8]| {
    drop(load(body));
    let bytes = [&b"SAFFRKV\0\x01\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0m"[..], body].concat();
    let bytes = [&bytes[..], &crc32(&bytes).to_le_bytes()].concat();
    let Ok(mut cache) = load(&bytes) else { return };
    if let Err(violation) = cache.validate(&[]) {
        panic!("{violation}");
    }
    let Ok(again) = save_bytes(b"m", cache.trie(), cache.store()) else { panic!("what was loaded can be saved") };
    // Runs may come in another order than they are saved in, but then they come in that one for good.
    let Ok(same) = load(&again).and_then(|cache| save_bytes(b"m", cache.trie(), cache.store())) else {
        panic!("what was saved can be loaded")
    };
    assert_eq!(same, again);
});

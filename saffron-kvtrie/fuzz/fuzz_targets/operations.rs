//! Bytes as operations on a cache over host memory, everything checked after each.
#![no_main]

#[path = "../../tests/machine/mod.rs"]
mod machine;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use machine::canary::{HEADS, LAYERS, WIDTH};
use machine::op::Op;
use machine::world::World;
use rustc_hash::FxBuildHasher;
use saffron_kvtrie::HostStore;
use saffron_kvtrie::evict::{EvictionPolicy, Fifo, Lfu, Lru, NeverEvict, ScoreAware};

fn token(bytes: &mut Unstructured<'_>) -> Result<u32> {
    Ok([0, 1, 2, u32::MAX][bytes.int_in_range(0..=3)?])
}

fn tokens(bytes: &mut Unstructured<'_>, least: usize) -> Result<Vec<u32>> {
    (0..bytes.int_in_range(least..=9)?).map(|_| token(bytes)).collect()
}

fn contexts(bytes: &mut Unstructured<'_>) -> Result<Vec<Vec<u32>>> {
    (0..bytes.int_in_range(1..=4)?).map(|_| tokens(bytes, 1)).collect()
}

fn place(bytes: &mut Unstructured<'_>) -> Result<usize> {
    bytes.int_in_range(0..=9)
}

fn op(bytes: &mut Unstructured<'_>) -> Result<Op> {
    Ok(match bytes.int_in_range(0..=15)? {
        0 | 1 => Op::Step {
            contexts: contexts(bytes)?,
            scratch: bytes.int_in_range(0..=3)?,
            cached: bytes.int_in_range(0..=4)? > 0,
        },
        2 | 3 => {
            let ends = (0..bytes.int_in_range(1..=4)?).map(|_| Ok((place(bytes)?, tokens(bytes, 0)?)));
            Op::After { ends: ends.collect::<Result<_>>()?, scratch: bytes.int_in_range(0..=3)? }
        }
        4 => Op::Abandon(contexts(bytes)?),
        5 => Op::Fail(contexts(bytes)?),
        6 => Op::Interleave(contexts(bytes)?, contexts(bytes)?, bytes.int_in_range(0..=9)?, bytes.int_in_range(0..=3)?),
        7 => Op::Drop(place(bytes)?),
        8 => Op::Fork(place(bytes)?),
        9 => Op::Match(tokens(bytes, 0)?),
        10 => Op::Truncate(place(bytes)?, bytes.int_in_range(0..=9)?),
        11 => Op::Score(place(bytes)?, f32::from_bits(bytes.arbitrary()?)),
        12 => Op::Evict(bytes.int_in_range(0..=40)?),
        13 => Op::Compact,
        14 => Op::Capacity(bytes.int_in_range(0..=79)?),
        _ => [Op::Restore, Op::Clear][bytes.int_in_range(0..=1)?].clone(),
    })
}

fn live<E: EvictionPolicy + Clone>(mut bytes: Unstructured<'_>, policy: E, evicts: bool) -> Result<()> {
    let store = |tokens| HostStore::new(LAYERS, HEADS, WIDTH, tokens);
    let mut world: World<HostStore, E, FxBuildHasher> = World::new(bytes.int_in_range(0..=60)?, policy, evicts, store);
    while !bytes.is_empty() {
        let Ok(op) = op(&mut bytes) else { break };
        if let Err(error) = world.apply(&op) {
            panic!("{error}");
        }
        world.check();
    }
    world.end();
    Ok(())
}

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Unstructured::new(bytes);
    let done = match bytes.int_in_range(0..=7) {
        Ok(0..=3) => live(bytes, Lru::default(), true),
        Ok(4) => live(bytes, Lfu::default(), true),
        Ok(5) => live(bytes, Fifo::default(), true),
        Ok(6) => live(bytes, ScoreAware::default(), true),
        Ok(_) => live(bytes, NeverEvict::default(), false),
        Err(error) => Err(error),
    };
    // Bytes that end before the operations do are not interesting.
    let _ = done;
});

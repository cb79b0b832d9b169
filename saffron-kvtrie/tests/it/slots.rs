//! The allocator against a map of slots.

use proptest::prelude::*;
use saffron_kvtrie::index::SlotAllocator;
use saffron_kvtrie::{CacheError, Extent};

#[derive(Clone, Debug)]
enum Op {
    Take(u32),
    Give(usize),
    Resize(u32),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![4 => (0..12u32).prop_map(Op::Take), 4 => (0..20usize).prop_map(Op::Give), 1 => (0..60u32).prop_map(Op::Resize)]
}

/// The free slots as extents, from a map of what is taken; slot 0 and all above the capacity count as taken.
fn free(taken: &[bool]) -> Vec<Extent> {
    let mut free: Vec<Extent> = Vec::new();
    for slot in (1..taken.len() as u32).filter(|slot| !taken[*slot as usize]) {
        match free.last_mut() {
            Some(last) if last.end() == slot => last.len += 1,
            _ => free.push(Extent { base: slot, len: 1 }),
        }
    }
    free
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_slots_taken_and_given_back_are_those_of_the_map(
        capacity in 0..50u32,
        ops in prop::collection::vec(op(), 1..80),
    ) {
        let mut slots = SlotAllocator::new(capacity);
        let mut taken = vec![false; capacity as usize + 1];
        let mut held: Vec<Extent> = Vec::new();
        for op in ops {
            let before = free(&taken);
            match op {
                Op::Take(len) => {
                    let enough = before.iter().map(|extent| extent.len).sum::<u32>() >= len;
                    let got = slots.take(len);
                    prop_assert_eq!(got.is_some(), enough);
                    let got = got.unwrap_or_default();
                    let fits = before.iter().map(|extent| extent.len).filter(|found| *found >= len).min();
                    if let (Some(fits), [whole]) = (fits, got.as_slice()) {
                        prop_assert!(before.iter().any(|extent| extent.len == fits && extent.base == whole.base));
                    }
                    prop_assert!(fits.is_none() || got.len() <= 1, "one extent where one is enough");
                    got.iter().flat_map(|extent| extent.slots()).for_each(|slot| taken[slot as usize] = true);
                    held.extend(got);
                }
                Op::Give(place) if place < held.len() => {
                    let extent = held.swap_remove(place);
                    extent.slots().for_each(|slot| taken[slot as usize] = false);
                    slots.give(extent);
                }
                Op::Give(_) => {}
                Op::Resize(capacity) => {
                    let highest = (1..taken.len()).rev().find(|slot| taken[*slot]).unwrap_or(0);
                    let resized = slots.resize(capacity);
                    if highest > capacity as usize {
                        let expected = CacheError::SlotInUse { slot: highest as u32, capacity: capacity as usize };
                        prop_assert_eq!(resized, Err(expected));
                    } else {
                        prop_assert_eq!(resized, Ok(()));
                        taken.resize(capacity as usize + 1, false);
                    }
                }
            }
            let now = free(&taken);
            prop_assert_eq!(slots.free_extents().collect::<Vec<_>>(), now.clone());
            let total: usize = now.iter().map(|extent| extent.len as usize).sum();
            prop_assert_eq!((slots.free_slots(), slots.capacity()), (total, taken.len() - 1));
            prop_assert_eq!(slots.largest_free(), now.iter().map(|extent| extent.len as usize).max().unwrap_or(0));
        }
    }
}

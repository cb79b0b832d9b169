//! Attention over rows that were moved, and over pools of another size.

use saffron_kvtrie::attention::PlanKind;
use saffron_kvtrie::{KvError, KvStore, Reuse};

use crate::attention::{Bench, shape};

fn compact(bench: &mut Bench) -> usize {
    let Bench { trie, pools, .. } = bench;
    trie.compact(|moves| Ok::<_, KvError>(pools.copy(moves)?)).unwrap()
}

#[test]
fn rows_are_attended_to_where_they_have_gone() {
    for kind in PlanKind::ALL {
        let mut bench = Bench::new(shape(2, 2, 8), kind);
        let mut beam: Vec<Vec<u32>> = (0..4).map(|leaf| vec![1, 2, 3, leaf]).collect();
        for token in 0..5 {
            bench.check(&beam, Reuse::Cached);
            beam.iter_mut().for_each(|context| context.push(token));
        }
        assert!(compact(&mut bench) > 0, "steps interleave the leaves");
        bench.trie.validate(&[]).unwrap();
        bench.check(&beam, Reuse::Cached);
        let end = beam.iter().map(|context| bench.trie.match_prefix(context).seq).collect::<Vec<_>>();
        compact(&mut bench);
        assert_eq!(bench.trie.path(&end[0]).unwrap().len(), 1, "the first path is one view");
        assert!(end.iter().all(|seq| bench.trie.path(seq).unwrap().len() <= 2));
        bench.check(&[[&beam[0][..], &[9]].concat(), [&beam[3][..], &[9]].concat()], Reuse::Cached);
    }
}

#[test]
fn rows_are_attended_to_in_pools_that_have_shrunk_and_grown() {
    let mut bench = Bench::new(shape(1, 3, 8), PlanKind::Cascade);
    let prompt: Vec<u32> = (0..300).map(|place| place % 7).collect();
    bench.check(std::slice::from_ref(&prompt), Reuse::Cached);
    bench.trie.shrink_to(40).unwrap();
    compact(&mut bench);
    bench.pools.set_limit(41);
    bench.trie.set_capacity(40).unwrap();
    assert_eq!(bench.pools.slots(), 41);
    bench.check(&[prompt[..30].to_vec()], Reuse::Cached);
    bench.pools.set_limit(401);
    bench.trie.set_capacity(400).unwrap();
    bench.check(&[prompt[..200].to_vec(), vec![9, 9]], Reuse::Cached);
    bench.trie.validate(&[]).unwrap();
}

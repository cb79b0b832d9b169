//! Thousands of searches over one small cache: the books stay right, and no row is read that its path did not write.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use saffron_kvtrie::{Reservation, Reuse, Seq, Trie, Want};

const SEARCHES: usize = 2_000;
const WIDTH: usize = 16;
const STEPS: usize = 20;

/// What 64 MiB hold at 46,080 bytes a token, the size of a model of 135 million parameters.
const TOKENS: u32 = 1_456;

/// A row stands for the path that was written to its slot: the hash of the token and of the row before it.
struct Rows(Vec<u64>);

fn hash(above: u64, token: u32) -> u64 {
    (above ^ u64::from(token)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) ^ 0x5bd1
}

fn hash_of(tokens: &[u32]) -> u64 {
    tokens.iter().fold(1, |above, token| hash(above, *token))
}

impl Rows {
    /// Writes every row from those before it, as a forward pass does, and checks the outputs against the contexts.
    fn forward(&mut self, reservation: &Reservation, contexts: &[Vec<u32>]) {
        for segment in reservation.segments() {
            let mut last = segment.prefix.last().map_or(1, |extent| self.0[extent.end() as usize - 1]);
            for row in segment.rows.clone() {
                last = hash(last, reservation.tokens()[row]);
                self.0[reservation.slots()[row] as usize] = last;
            }
        }
        for (output, context) in reservation.outputs().zip(contexts) {
            assert_eq!(self.0[reservation.slots()[output] as usize], hash_of(context), "the row of {context:?}");
        }
    }

    /// Every row of a path, not only its last.
    fn check(&self, trie: &Trie, held: &Seq, context: &[u32]) {
        let slots: Vec<u32> = trie.path(held).unwrap().iter().flat_map(|extent| extent.slots()).collect();
        let expected = (1..=context.len()).map(|end| hash_of(&context[..end]));
        assert!(slots.iter().map(|slot| self.0[*slot as usize]).eq(expected), "rows of {context:?}");
    }
}

#[test]
fn two_thousand_searches_keep_rows_and_books_right() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut trie = Trie::new(TOKENS);
    let mut rows = Rows(vec![0; TOKENS as usize + 1]);
    let templates: Vec<Vec<u32>> = (0..8).map(|kind| (0..30).map(|place| kind * 100 + place).collect()).collect();
    for search in 0..SEARCHES {
        let mut prompt = templates[rng.next_u32() as usize % templates.len()].clone();
        prompt.extend((0..rng.next_u32() % 90).map(|_| rng.next_u32() % 1_000));
        let mut beam = vec![prompt];
        let mut held: Vec<Seq> = Vec::new();
        for _ in 0..STEPS {
            let wants: Vec<Want<'_>> = beam.iter().map(|tokens| Want::keep(tokens)).collect();
            let reservation = trie.reserve(&wants, Reuse::Cached).expect("one search fits");
            rows.forward(&reservation, &beam);
            held = trie.commit(reservation).unwrap();
            let children = (0..WIDTH).map(|_| {
                let parent = &beam[rng.next_u32() as usize % beam.len()];
                parent.iter().copied().chain([rng.next_u32() % 50]).collect::<Vec<u32>>()
            });
            let children: Vec<Vec<u32>> = children.collect();
            if search % 50 == 0 {
                held.iter().zip(&beam).for_each(|(held, context)| rows.check(&trie, held, context));
            }
            beam = children;
        }
        drop(held);
        if search % 20 == 0 {
            trie.validate(&[]).unwrap();
        }
    }
    let stats = trie.stats();
    assert_eq!(stats.pinned, 0, "nothing is held after the searches");
    assert!(stats.live <= TOKENS as usize && stats.high_water <= TOKENS as usize, "{stats:?}");
    assert!(stats.tokens_evicted > 100_000, "the cache was too small for all of them: {stats:?}");
    // What was asked for was stored already, computed for another context of the batch, or computed; and what was computed was stored.
    assert!(stats.tokens_hit + stats.tokens_shared + stats.tokens_computed >= stats.tokens_asked, "{stats:?}");
    assert!(stats.tokens_computed >= stats.tokens_evicted + stats.live as u64, "{stats:?}");
}

//! A cache, what is known about it, and what may happen to it.

use std::hash::BuildHasher;

use saffron_kvtrie::evict::EvictionPolicy;
use saffron_kvtrie::snapshot::save_bytes;
use saffron_kvtrie::store::{HostRows, KvStore};
use saffron_kvtrie::{CacheError, KvError, KvTrie, Reservation, Reuse, Seq, StepError, StoreError, Want};

use super::canary;
use super::op::Op;

/// The largest capacity that an operation may ask for.
const LARGEST: u32 = 80;

/// Handles that are held at once; beyond them the oldest go, so that not everything is pinned.
const HANDLES: usize = 14;

const MODEL: &[u8] = b"canary";

/// A cache with the handles that are held, and the tokens of each.
pub(crate) struct World<S: KvStore<Rows = HostRows>, E: EvictionPolicy + Clone, H: BuildHasher + Default> {
    pub(crate) cache: KvTrie<S, E, H>,
    pub(crate) held: Vec<(Seq, Vec<u32>)>,
    /// Whether the policy gives up whatever is not pinned.
    evicts: bool,
    fresh: E,
    store: Box<dyn Fn(u32) -> S>,
}

impl<S: KvStore<Rows = HostRows>, E: EvictionPolicy + Clone, H: BuildHasher + Default> World<S, E, H> {
    /// An empty cache over a store that `store` makes for a capacity.
    pub(crate) fn new(capacity: u32, policy: E, evicts: bool, store: impl Fn(u32) -> S + 'static) -> Self {
        let cache = KvTrie::with_policy(store(capacity), policy.clone());
        Self { cache, held: Vec::new(), evicts, fresh: policy, store: Box::new(store) }
    }

    /// Lets something happen. An error is one that the store made up: everything is checked to be as it should afterwards.
    pub(crate) fn apply(&mut self, op: &Op) -> Result<(), StoreError> {
        match op {
            Op::Step { contexts, scratch, cached } => {
                let wants: Vec<Want<'_>> = contexts.iter().map(|tokens| Want::with_scratch(tokens, *scratch)).collect();
                let kept = |context: &[u32]| if *cached { context.len().saturating_sub(*scratch) } else { 0 };
                let lengths: Vec<usize> = contexts.iter().map(|context| kept(context)).collect();
                self.step(&wants, contexts, &lengths, if *cached { Reuse::Cached } else { Reuse::Nothing })
            }
            Op::After { ends, scratch } => self.after(ends, *scratch),
            Op::Abandon(contexts) => self.reserve(contexts).map(drop),
            Op::Fail(contexts) => self.fail(contexts),
            Op::Interleave(first, second, evict, more) => self.interleave(first, second, *evict, *more),
            Op::Restore => self.restore(),
            Op::Compact => store_error(self.cache.compact()).map(drop),
            Op::Capacity(tokens) => self.set_capacity(tokens % LARGEST),
            other => {
                self.handles(other);
                Ok(())
            }
        }
    }

    /// What happens to handles, and forgetting.
    fn handles(&mut self, op: &Op) {
        match op {
            Op::Drop(place) if *place < self.held.len() => drop(self.held.swap_remove(*place)),
            Op::Fork(place) if *place < self.held.len() => self.held.push(self.held[*place].clone()),
            Op::Match(context) => {
                let found = self.cache.match_prefix(context);
                let common = |held: &[u32]| held.iter().zip(context).take_while(|(a, b)| a == b).count();
                let least = self.held.iter().map(|(_, tokens)| common(tokens)).max().unwrap_or(0);
                assert!(found.matched >= least && self.cache.stored(context) == found.matched);
                self.held.push((found.seq, context[..found.matched].to_vec()));
            }
            Op::Truncate(place, len) if *place < self.held.len() => {
                let (seq, tokens) = &self.held[*place];
                let tokens = tokens[..(*len).min(tokens.len())].to_vec();
                self.held.push((self.cache.truncate(seq, *len).unwrap(), tokens));
            }
            Op::Score(place, score) if *place < self.held.len() && !score.is_nan() => {
                self.cache.set_score(&self.held[*place].0, *score).unwrap();
            }
            Op::Evict(tokens) => assert!(self.cache.evict(*tokens) <= *tokens),
            Op::Clear => {
                self.cache.clear();
                let stats = self.cache.stats().trie;
                assert!(!self.evicts || stats.live == stats.pinned, "what is not pinned has gone");
            }
            _ => {}
        }
    }

    fn step(
        &mut self,
        wants: &[Want<'_>],
        contexts: &[Vec<u32>],
        kept: &[usize],
        reuse: Reuse,
    ) -> Result<(), StoreError> {
        let result = self.cache.step(wants, reuse, |rows, store| canary::forward(rows, store, contexts));
        let seqs = match result {
            Ok(step) => step.seqs,
            Err(StepError::Cache(error)) => return self.refused(error),
            Err(StepError::Forward(error)) => return Err(error),
        };
        self.hold(seqs, contexts, kept);
        Ok(())
    }

    /// Keeps new handles, each of exactly the tokens that its context keeps.
    fn hold(&mut self, seqs: Vec<Seq>, contexts: &[Vec<u32>], kept: &[usize]) {
        assert_eq!((seqs.len(), kept.len()), (contexts.len(), contexts.len()));
        for ((seq, context), kept) in seqs.into_iter().zip(contexts).zip(kept) {
            self.held.push((seq, context[..*kept].to_vec()));
        }
    }

    fn after(&mut self, ends: &[(usize, Vec<u32>)], scratch: usize) -> Result<(), StoreError> {
        let ends = ends.iter().filter(|(place, _)| *place < self.held.len());
        let ends: Vec<(Seq, Vec<u32>, &Vec<u32>)> =
            ends.map(|(place, tail)| (self.held[*place].0.clone(), self.held[*place].1.clone(), tail)).collect();
        let ends: Vec<_> = ends.into_iter().filter(|(_, head, tail)| !head.is_empty() || !tail.is_empty()).collect();
        let wants: Vec<Want<'_>> = ends.iter().map(|(seq, _, tail)| Want::after(seq, tail).scratch(scratch)).collect();
        let contexts: Vec<Vec<u32>> = ends.iter().map(|(_, head, tail)| [&head[..], tail].concat()).collect();
        let kept = ends.iter().map(|(_, head, tail)| head.len() + tail.len().saturating_sub(scratch));
        self.step(&wants, &contexts, &kept.collect::<Vec<_>>(), Reuse::Cached)
    }

    fn reserve(&mut self, contexts: &[Vec<u32>]) -> Result<Option<Reservation>, StoreError> {
        let wants: Vec<Want<'_>> = contexts.iter().map(|tokens| Want::keep(tokens)).collect();
        match self.cache.reserve(&wants, Reuse::Cached) {
            Ok(reservation) => Ok(Some(reservation)),
            Err(error) => self.refused(error).map(|()| None),
        }
    }

    /// Room is refused only where there is none.
    fn refused(&self, error: KvError) -> Result<(), StoreError> {
        match error {
            KvError::Cache(CacheError::OutOfBudget { need, free, evictable, .. }) => {
                assert!(need > free + if self.evicts { evictable } else { 0 });
                Ok(())
            }
            KvError::Store(error) => Err(error),
            other => panic!("{other}"),
        }
    }

    fn fail(&mut self, contexts: &[Vec<u32>]) -> Result<(), StoreError> {
        let wants: Vec<Want<'_>> = contexts.iter().map(|tokens| Want::keep(tokens)).collect();
        let failed = self.cache.step(&wants, Reuse::Cached, |rows, store| {
            canary::forward(rows, store, contexts).and(Err::<(), _>(StoreError::Device("made up".into())))
        });
        match failed.unwrap_err() {
            StepError::Cache(error) => self.refused(error),
            StepError::Forward(_) => Ok(()),
        }
    }

    fn interleave(
        &mut self,
        first: &[Vec<u32>],
        second: &[Vec<u32>],
        evict: usize,
        more: u32,
    ) -> Result<(), StoreError> {
        let Some(one) = self.reserve(first)? else { return Ok(()) };
        canary::forward(&one, self.cache.store_mut(), first)?;
        self.cache.evict(evict);
        let capacity = self.cache.trie().capacity() as u32;
        store_error(self.cache.set_capacity((capacity + more % 4).min(LARGEST).max(capacity)))?;
        assert!(matches!(self.cache.compact(), Err(KvError::Cache(CacheError::ReservationsOpen { open: 1 }))));
        let two = self.reserve(second)?;
        let open: Vec<&Reservation> = [Some(&one), two.as_ref()].into_iter().flatten().collect();
        self.cache.validate(&open).unwrap();
        if let Some(two) = two {
            canary::forward(&two, self.cache.store_mut(), second)?;
            let seqs = self.cache.commit(two).unwrap();
            self.hold(seqs, second, &second.iter().map(Vec::len).collect::<Vec<_>>());
        }
        let seqs = self.cache.commit(one).unwrap();
        self.hold(seqs, first, &first.iter().map(Vec::len).collect::<Vec<_>>());
        Ok(())
    }

    fn set_capacity(&mut self, tokens: u32) -> Result<(), StoreError> {
        let before = self.cache.trie().capacity();
        match self.cache.set_capacity(tokens) {
            Err(KvError::Cache(CacheError::CapacityTooSmall { capacity, kept, pinned })) => {
                assert!(kept > capacity && (!self.evicts || pinned == kept));
            }
            done => store_error(done)?,
        }
        let after = self.cache.trie().capacity();
        assert!(after == before || after == tokens as usize);
        Ok(())
    }

    /// Goes on with what a snapshot of the cache gives. The old handles outlive their cache.
    fn restore(&mut self) -> Result<(), StoreError> {
        let bytes = save_bytes(MODEL, self.cache.trie(), self.cache.store()).unwrap();
        let store = (self.store)(self.cache.trie().capacity() as u32);
        let loaded = KvTrie::restore_bytes(&bytes, MODEL, store, self.fresh.clone());
        let mut cache: KvTrie<S, E, H> = match loaded {
            Ok(cache) => cache,
            Err(saffron_kvtrie::snapshot::SnapshotError::Store(error)) => return Err(error),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(cache.stats().trie.pinned, 0);
        assert_eq!(save_bytes(MODEL, cache.trie(), cache.store()).unwrap(), bytes);
        let held = std::mem::take(&mut self.held);
        for (_, tokens) in &held {
            let found = cache.match_prefix(tokens);
            assert_eq!(found.matched, tokens.len());
            self.held.push((found.seq, tokens.clone()));
        }
        self.cache = cache;
        for (seq, tokens) in held {
            let foreign = [self.cache.truncate(&seq, 0).unwrap_err(), self.cache.set_score(&seq, 0.0).unwrap_err()];
            assert_eq!(foreign, [CacheError::Foreign, CacheError::Foreign], "{tokens:?}");
        }
        Ok(())
    }

    /// Checks every book and every row of what is held.
    pub(crate) fn check(&mut self) {
        self.held.drain(..self.held.len().saturating_sub(HANDLES));
        self.cache.validate(&[]).unwrap();
        for (seq, tokens) in &self.held {
            canary::check(&self.cache, seq, tokens);
        }
        let mut prefixes: Vec<&[u32]> =
            self.held.iter().flat_map(|(_, tokens)| (1..=tokens.len()).map(move |end| &tokens[..end])).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        let stats = self.cache.stats().trie;
        assert_eq!(stats.pinned, prefixes.len(), "pinned are the distinct prefixes of what is held");
        assert!(stats.live >= stats.pinned && stats.live <= self.cache.trie().capacity());
    }

    /// Lets everything go, and finds every slot free.
    pub(crate) fn end(mut self) {
        self.held.clear();
        self.cache.clear();
        self.cache.validate(&[]).unwrap();
        let stats = self.cache.stats().trie;
        if self.evicts {
            assert_eq!((stats.live, stats.free, stats.largest_free), (0, stats.free, stats.free));
            assert_eq!(stats.free, self.cache.trie().capacity());
        }
    }
}

/// What is no store's error is a mistake.
fn store_error<T>(result: Result<T, KvError>) -> Result<T, StoreError> {
    result.map_err(|error| match error {
        KvError::Store(error) => error,
        other => panic!("{other}"),
    })
}

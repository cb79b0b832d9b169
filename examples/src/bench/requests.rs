//! Requests of many tenants, as prefix caches are compared on, and the most of their tokens that
//! any cache of a size could find.

use std::collections::{BTreeSet, HashMap};

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// One request: the context that is asked for, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The tokens.
    pub tokens: Vec<u32>,
    /// The tenant; the busiest is 0.
    pub tenant: usize,
}

/// How many tenants, and how their conversations go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenants {
    /// Requests in all.
    pub requests: usize,
    /// Tenants, of which the k-th begins conversations 1 / k times as often as the first.
    pub tenants: usize,
    /// Conversations that go on side by side.
    pub open: usize,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

impl Default for Tenants {
    fn default() -> Self {
        Self { requests: 3_000, tenants: 40, open: 600, seed: 7 }
    }
}

/// Tokens of what stands before every tenant's own instructions.
const PREAMBLE: usize = 32;

/// Draws as the published measurements had them, from remainders of 32 bits.
struct Draw(ChaCha8Rng);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0.next_u32() as usize % bound
    }

    fn tokens(&mut self, count: usize) -> Vec<u32> {
        (0..count).map(|_| self.0.next_u32() % 50_000).collect()
    }

    /// A tenant, the k-th with weight 1 / k.
    fn tenant(&mut self, tenants: usize) -> usize {
        let weight = |tenant: usize| 1.0 / (tenant + 1) as f64;
        let total: f64 = (0..tenants).map(weight).sum();
        let mut left = f64::from(self.0.next_u32()) / f64::from(u32::MAX) * total;
        let reached = |tenant: &usize| {
            left -= weight(*tenant);
            left <= 0.0
        };
        (0..tenants).find(reached).unwrap_or(tenants - 1)
    }
}

/// Draws the requests. Every tenant has instructions of 100 to 400 tokens behind a preamble that
/// all share; a conversation begins with them, and every turn asks for all that was said before
/// with 10 to 60 more tokens of the user's, and adds 20 to 100 tokens as answer. Six turns of ten
/// continue a conversation, the others begin one.
#[must_use]
pub fn requests(how: Tenants) -> Vec<Request> {
    let mut draw = Draw(ChaCha8Rng::seed_from_u64(how.seed));
    let preamble = draw.tokens(PREAMBLE);
    let instructions: Vec<Vec<u32>> = (0..how.tenants)
        .map(|_| {
            let own = 100 + draw.below(301);
            [preamble.clone(), draw.tokens(own)].concat()
        })
        .collect();
    let mut open: Vec<Request> = Vec::new();
    let mut requests = Vec::with_capacity(how.requests);
    while requests.len() < how.requests {
        let mut turn = if !open.is_empty() && draw.below(10) < 6 {
            let place = draw.below(open.len());
            open.swap_remove(place)
        } else {
            let tenant = draw.tenant(how.tenants);
            Request { tokens: instructions[tenant].clone(), tenant }
        };
        let user = 10 + draw.below(51);
        turn.tokens.extend(draw.tokens(user));
        requests.push(turn.clone());
        let answer = 20 + draw.below(81);
        turn.tokens.extend(draw.tokens(answer));
        if open.len() == how.open {
            let place = draw.below(open.len());
            open.swap_remove(place);
        }
        open.push(turn);
    }
    requests
}

/// A trace as paths of distinct prefixes, with the next use of each: what the best cache knows.
#[derive(Clone, Debug)]
pub struct Oracle {
    /// For every request its prefixes by number, the shortest first.
    paths: Vec<Vec<u32>>,
    /// Beside them the request that uses each next; the number of requests where none does.
    next: Vec<Vec<usize>>,
    distinct: usize,
}

impl Oracle {
    /// Looks at a trace.
    #[must_use]
    pub fn new(requests: &[Request]) -> Self {
        let mut known: HashMap<(u32, u32), u32> = HashMap::new();
        let path = |request: &Request| {
            let mut at = 0;
            let mut step = |token: &u32| {
                let new = known.len() as u32 + 1;
                at = *known.entry((at, *token)).or_insert(new);
                at
            };
            request.tokens.iter().map(&mut step).collect()
        };
        let paths: Vec<Vec<u32>> = requests.iter().map(path).collect();
        let distinct = known.len();
        let mut later = vec![paths.len(); distinct + 1];
        let mut next: Vec<Vec<usize>> = Vec::with_capacity(paths.len());
        for (request, path) in paths.iter().enumerate().rev() {
            next.push(path.iter().map(|prefix| std::mem::replace(&mut later[*prefix as usize], request)).collect());
        }
        next.reverse();
        Self { paths, next, distinct }
    }

    /// Distinct prefixes: the tokens that a cache without limit stores.
    #[must_use]
    pub fn distinct(&self) -> usize {
        self.distinct
    }

    /// Tokens asked for.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.paths.iter().map(Vec::len).sum()
    }

    /// The most tokens that a cache of `capacity` tokens can find, if each request's context must
    /// be in it when it is computed (Belady's rule: what is used again last goes first). A prefix
    /// is used no later than anything below it, so that the rule never takes a prefix from under
    /// what it keeps. Requests that do not fit are not stored.
    #[must_use]
    pub fn most_hits(&self, capacity: usize) -> usize {
        let mut cache = Farthest { uses: vec![None; self.distinct + 1], order: BTreeSet::new() };
        let mut hits = 0;
        for (path, next) in self.paths.iter().zip(&self.next) {
            hits += path.iter().filter(|prefix| cache.uses[**prefix as usize].is_some()).count();
            if path.len() > capacity {
                continue;
            }
            path.iter().for_each(|prefix| cache.remove(*prefix));
            while cache.order.len() + path.len() > capacity && cache.remove_farthest() {}
            path.iter().zip(next).enumerate().for_each(|(depth, (prefix, next))| cache.insert(*prefix, *next, depth));
        }
        hits
    }
}

/// Cached prefixes by their next use, deeper ones later among equals.
struct Farthest {
    uses: Vec<Option<(usize, usize)>>,
    order: BTreeSet<(usize, usize, u32)>,
}

impl Farthest {
    fn insert(&mut self, prefix: u32, next: usize, depth: usize) {
        self.uses[prefix as usize] = Some((next, depth));
        self.order.insert((next, depth, prefix));
    }

    fn remove(&mut self, prefix: u32) {
        if let Some((next, depth)) = self.uses[prefix as usize].take() {
            self.order.remove(&(next, depth, prefix));
        }
    }

    fn remove_farthest(&mut self) -> bool {
        let Some((.., prefix)) = self.order.pop_last() else { return false };
        self.uses[prefix as usize] = None;
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn request(tokens: &[u32]) -> Request {
        Request { tokens: tokens.to_vec(), tenant: 0 }
    }

    /// The most hits by trying every set that could be kept after every request. Sets of prefixes
    /// are bit masks.
    fn by_trying(oracle: &Oracle, capacity: usize) -> usize {
        let mut best: HashMap<u32, usize> = HashMap::from([(0, 0)]);
        for path in &oracle.paths {
            let mask = path.iter().fold(0, |mask, prefix| mask | 1u32 << prefix);
            let mut after: HashMap<u32, usize> = HashMap::new();
            for (cached, hits) in &best {
                let hits = hits + path.iter().take_while(|prefix| cached & 1 << **prefix != 0).count();
                let rest = cached & !mask;
                let mut kept = rest;
                loop {
                    if (kept | mask).count_ones() as usize <= capacity {
                        let entry = after.entry(kept | mask).or_default();
                        *entry = hits.max(*entry);
                    }
                    if kept == 0 {
                        break;
                    }
                    kept = (kept - 1) & rest;
                }
            }
            best = after;
        }
        best.into_values().max().unwrap_or_default()
    }

    #[test]
    fn no_choice_of_what_to_keep_finds_more_than_beladys_rule() {
        for seed in 0..40 {
            let mut draw = Draw(ChaCha8Rng::seed_from_u64(seed));
            let mut context = || (0..1 + draw.below(3)).map(|_| draw.0.next_u32() % 2).collect::<Vec<u32>>();
            let trace: Vec<Request> = (0..12).map(|_| request(&context())).collect();
            let oracle = Oracle::new(&trace);
            for capacity in 3..8 {
                assert_eq!(oracle.most_hits(capacity), by_trying(&oracle, capacity), "seed {seed}, {capacity} tokens");
            }
        }
    }

    #[test]
    fn a_cache_without_limit_misses_every_prefix_once() {
        let trace = requests(Tenants { requests: 50, ..Tenants::default() });
        let oracle = Oracle::new(&trace);
        assert_eq!(oracle.most_hits(oracle.distinct()), oracle.asked() - oracle.distinct());
    }

    #[test]
    fn a_request_that_does_not_fit_costs_the_others_nothing() {
        let oracle = Oracle::new(&[request(&[1]), request(&[2, 3, 4]), request(&[1])]);
        assert_eq!(oracle.most_hits(2), 1);
    }

    #[test]
    fn a_trace_is_the_same_for_the_same_seed_and_shares_its_tenants_instructions() {
        let how = Tenants { requests: 200, ..Tenants::default() };
        let trace = requests(how);
        assert_eq!(trace, requests(how));
        assert_ne!(trace, requests(Tenants { seed: 8, ..how }));
        let first =
            |tenant| trace.iter().filter(move |request| request.tenant == tenant).map(|request| &request.tokens[..132]);
        assert!(first(0).zip(first(0).skip(1)).all(|(a, b)| a == b));
    }
}

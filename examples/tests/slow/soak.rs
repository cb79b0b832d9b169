//! Thousands of random searches through caches that cannot hold them: answers stay right, books agree, memory stays flat.

use burn::tensor::Device;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use saffron_core::{ChildScorer, TextPolicy, Token};
use saffron_examples::cases::{CaseFile, Levels, Models};
use saffron_kvtrie::Reuse;
use saffron_mrm::engine::Engine;
use saffron_mrm::{LmPolicy, ModelOptions, Mrm, MrmInput};
use saffron_search::{Preset, Saffron, Searcher};

use crate::margin::{TIE, Trail, Witness};

const SEARCHES: usize = 2_000;
/// Bytes that each model's cache may take.
const BUDGET: u64 = 64 << 20;
/// Searches between two looks at books and memory.
const LOOK: usize = 50;
/// Searches between two that are answered again without a cache.
const AGAIN: usize = 21;
/// Bytes by which the median of resident memory may grow from the first to the second half of the searches that find all caches full. The
/// allocator must give back what is freed (median up by 3 MiB), or it is the allocator that is measured (up by 32 MiB, in one late step).
const SLACK: u64 = 20 << 20;

/// Policy and reward model; the latter is there but for the moments in which its settings change.
struct Pair {
    policy: LmPolicy,
    mrm: Option<Mrm>,
}

/// The models of one fixture, with a cache and without.
struct World {
    file: CaseFile,
    cached: Pair,
    bare: Pair,
}

/// One random search.
#[derive(Debug)]
struct Draw {
    prompt: String,
    preset: Preset,
    width: usize,
    min_new_tokens: usize,
    max_new_tokens: usize,
}

impl Draw {
    fn new(rng: &mut ChaCha8Rng) -> Self {
        let mut below = |limit: u32| rng.next_u32() % limit;
        let stem = below(8);
        let letters = (0..20).map(|place| stem * 5 + place * 3).chain((0..5 + below(60)).map(|_| below(27)));
        let letters: Vec<u32> = letters.collect();
        let letter = |code: u32| if code % 27 == 26 { ' ' } else { char::from(b'a' + (code % 27) as u8) };
        Self {
            prompt: letters.into_iter().map(letter).collect(),
            preset: if below(2) == 0 { Preset::Paper } else { Preset::Reference },
            width: 1 + below(16) as usize,
            min_new_tokens: below(12) as usize,
            max_new_tokens: 24 + below(57) as usize,
        }
    }

    /// The largest that there may be, so that what grows with the largest has grown.
    fn largest() -> Self {
        let (width, max_new_tokens) = (16, 80);
        Self { prompt: "z".repeat(84), preset: Preset::Reference, width, min_new_tokens: 80, max_new_tokens }
    }

    fn input(&self) -> MrmInput {
        MrmInput::of(self.preset)
    }

    fn searcher(&self, file: &CaseFile) -> Searcher {
        Searcher::new(Saffron::of(self.preset, self.width))
            .top_p(file.top_p)
            .min_new_tokens(self.min_new_tokens)
            .max_new_tokens(self.max_new_tokens)
            .end_tokens(vec![file.eos_token_id])
    }
}

impl Pair {
    fn open(file: &CaseFile, reuse: Reuse) -> Self {
        let options = ModelOptions { cache_bytes: BUDGET, reuse, ..ModelOptions::default() };
        let Models { policy, mrm } =
            file.open_models(&crate::root().join("fixtures"), &Device::flex(), options).unwrap();
        Self { policy, mrm: Some(mrm) }
    }

    fn set_input(&mut self, input: MrmInput) {
        self.mrm = self.mrm.take().map(|mrm| mrm.with_input(input));
    }

    fn engines(&mut self) -> [&mut Engine; 2] {
        [self.policy.engine(), self.mrm.as_mut().unwrap().engine()]
    }
}

fn run(
    draw: &Draw,
    file: &CaseFile,
    policy: &mut LmPolicy,
    scorer: &mut dyn ChildScorer,
) -> (Vec<Vec<saffron_examples::cases::Node>>, Vec<Token>) {
    let session = policy.session(&draw.prompt).unwrap();
    let mut levels = Levels::default();
    let outcome = draw.searcher(file).run_observed(&session, policy, scorer, &mut levels);
    (levels.0, outcome.unwrap_or_else(|error| panic!("{draw:?}: {error}")).best.tokens)
}

impl World {
    fn open(case: &str) -> Self {
        let file = CaseFile::read(&crate::root().join(format!("fixtures/cases/{case}.json"))).unwrap();
        Self { cached: Pair::open(&file, Reuse::Cached), bare: Pair::open(&file, Reuse::Nothing), file }
    }

    fn search(&mut self, draw: &Draw) {
        self.cached.set_input(draw.input());
        run(draw, &self.file, &mut self.cached.policy, self.cached.mrm.as_mut().unwrap());
    }

    /// Searches with a cache and without. Says whether the two parted, at a near tie then.
    fn search_twice(&mut self, draw: &Draw) -> bool {
        self.cached.set_input(draw.input());
        self.bare.set_input(draw.input());
        let mut witness = Witness::new(self.cached.mrm.as_mut().unwrap());
        let (levels, output) = run(draw, &self.file, &mut self.cached.policy, &mut witness);
        let (expected, answer) = run(draw, &self.file, &mut self.bare.policy, self.bare.mrm.as_mut().unwrap());
        let found = Trail { levels: &levels, output: &output };
        let parting = witness.parting(found, Trail { levels: &expected, output: &answer }, self.file.top_p);
        assert!(parting.as_ref().is_none_or(|parting| parting.margin < TIE), "{draw:?}: {parting:?}");
        parting.is_some()
    }

    /// Books recounted, budgets kept; tokens evicted by the model that evicted fewer.
    fn look(&mut self) -> u64 {
        let evicted = self.cached.engines().map(|engine| {
            engine.validate().unwrap();
            assert!(engine.pools().bytes() <= BUDGET, "{} bytes", engine.pools().bytes());
            let stats = engine.cache_stats();
            assert_eq!((stats.pinned, stats.pending), (0, 0), "nothing is held between searches");
            stats.tokens_evicted
        });
        evicted[0].min(evicted[1])
    }
}

/// Resident memory of this process in bytes, where the system tells.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

#[test]
#[ignore = "takes minutes; MIMALLOC_PURGE_DELAY=10 cargo test --workspace --test slow -- --ignored soak --nocapture"]
#[allow(clippy::print_stderr, reason = "figures for whoever runs it")]
fn two_thousand_random_searches_stay_right_within_memory_that_stays_flat() {
    let mut rng = ChaCha8Rng::seed_from_u64(64);
    let mut worlds = [World::open("A1"), World::open("B1")];
    // Resident bytes at every look since all four caches have been full.
    let mut memory: Vec<u64> = Vec::new();
    let mut ties = worlds.iter_mut().filter_map(|world| world.search_twice(&Draw::largest()).then_some(())).count();
    let mut full_after = None;
    for search in 0..SEARCHES {
        // tiny-a has smaller rows, so that it takes more searches to fill its caches.
        let world = &mut worlds[usize::from(search % 4 == 3)];
        let draw = Draw::new(&mut rng);
        if search % AGAIN == 0 {
            ties += usize::from(world.search_twice(&draw));
        } else {
            world.search(&draw);
        }
        if search % LOOK == LOOK - 1 && worlds.iter_mut().map(World::look).min() > Some(0) {
            full_after.get_or_insert(search);
            memory.extend(resident());
        }
    }
    for (world, name) in worlds.iter_mut().zip(["tiny-a", "tiny-b"]) {
        for (engine, role) in world.cached.engines().into_iter().zip(["policy", "reward model"]) {
            let (bytes, stats) = (engine.pools().bytes(), engine.cache_stats());
            eprintln!("{name}, {role}: pools {} KiB, {stats:?}", bytes >> 10);
        }
    }
    let full_after = full_after.expect("all caches were filled");
    assert!(full_after < SEARCHES * 3 / 4, "full only after {full_after} searches");
    assert!(ties < SEARCHES / AGAIN / 10, "{ties} searches parted at near ties");
    eprintln!("full after {full_after} searches, {ties} near ties; resident since then: {memory:?} bytes");
    if memory.is_empty() {
        eprintln!("resident memory is not looked at: this system has no /proc/self/status");
        return;
    }
    if std::env::var("MIMALLOC_PURGE_DELAY").is_ok_and(|delay| delay.starts_with('-')) {
        eprintln!(
            "resident memory is not looked at: the allocator is told to keep all of it, as by .cargo/config.toml"
        );
        return;
    }
    let (early, late) = memory.split_at(memory.len() / 2);
    let (early, late) = (median(early), median(late));
    eprintln!("median of the first half {} MiB, of the second {} MiB", early >> 20, late >> 20);
    assert!(late <= early + SLACK, "resident memory grew from {early} to {late} bytes");
}

/// The middle one: single looks vary by what the allocator has not yet given back.
fn median(values: &[u64]) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

//! Recorded searches, replayed one way or another.

use burn::tensor::Device;
use saffron_examples::cases::{Case, CaseFile, Models};
use saffron_mrm::ModelOptions;
use saffron_mrm::engine::Engine;

use crate::margin::{Parting, TIE, Trail, Witness};

/// The recorded searches.
pub(crate) const CASES: [&str; 8] = ["A1", "A2", "A3", "A4", "A5", "B1", "B3", "B4"];

pub(crate) fn case_file(name: &str) -> CaseFile {
    CaseFile::read(&crate::fixtures().join(format!("cases/{name}.json"))).unwrap()
}

/// What a replay's two caches did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) computed: u64,
    pub(crate) evicted: u64,
    /// The most of its own tokens that one search evicted, beyond all that was there before it; of the model where that is less.
    pub(crate) evicted_own: u64,
    pub(crate) copied_writes: u64,
}

/// Replays the prompts at `places` and holds every search against its record.
pub(crate) fn replay(name: &str, device: &Device, options: ModelOptions, places: &[usize]) -> Counts {
    replay_within(name, device, options, [options.cache_bytes; 2], places)
}

/// The same with a cache budget for the policy and one for the reward model.
pub(crate) fn replay_within(
    name: &str,
    device: &Device,
    options: ModelOptions,
    budgets: [u64; 2],
    places: &[usize],
) -> Counts {
    let file = case_file(name);
    let open =
        |cache_bytes| file.open_models(&crate::fixtures(), device, ModelOptions { cache_bytes, ..options }).unwrap();
    let mut models = Models { policy: open(budgets[0]).policy, mrm: open(budgets[1]).mrm };
    let mut counts = Counts::default();
    let mut own = [0; 2];
    for place in places {
        let before = engines(&mut models).map(Engine::cache_stats);
        check(&format!("{name}, prompt {place}, {options:?}"), &file, &file.cases[*place], &mut models);
        let after = engines(&mut models).map(Engine::cache_stats);
        for (own, (before, after)) in own.iter_mut().zip(before.iter().zip(&after)) {
            let evicted = after.tokens_evicted - before.tokens_evicted;
            *own = evicted.saturating_sub(before.live as u64).max(*own);
        }
    }
    counts.evicted_own = own[0].min(own[1]);
    for (engine, budget) in engines(&mut models).into_iter().zip(budgets) {
        let stats = engine.cache_stats();
        counts.computed += stats.tokens_computed;
        counts.evicted += stats.tokens_evicted;
        counts.copied_writes += engine.pools().copied_writes();
        assert!(engine.pools().bytes() <= budget, "{name}: pools above their budget");
    }
    counts
}

fn engines(models: &mut Models) -> [&mut Engine; 2] {
    [models.policy.engine(), models.mrm.engine()]
}

fn check(what: &str, file: &CaseFile, expected: &Case, models: &mut Models) {
    let mut witness = Witness::new(&mut models.mrm);
    let found = file.replay_with(expected, &mut models.policy, &mut witness).unwrap();
    assert_eq!(found.policy_context, expected.policy_context, "{what}: context");
    if let Some(parting) = witness.parting(trail(&found), trail(expected), file.top_p) {
        let Parting { margin, .. } = parting;
        assert!(margin < TIE, "{what}: {parting:?}");
    }
}

fn trail(case: &Case) -> Trail<'_> {
    Trail { levels: &case.levels, output: &case.output }
}

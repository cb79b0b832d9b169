//! Attention plans: what it costs to make one, and what a layer takes under each.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use saffron_examples::bench::median;
use saffron_kvtrie::attention::{AttentionPlan, AttentionShape, Frontier, PlanKind, PlanTime};

use crate::picks;
use crate::step::Step;

/// Llama-3.2-1B's heads.
pub(crate) const LLAMA: AttentionShape = AttentionShape { kv_heads: 8, group: 4, head_dim: 64 };

/// SmolLM2-135M's heads and Llama-3.2-1B's.
const SHAPES: [AttentionShape; 2] = [AttentionShape { kv_heads: 3, group: 3, head_dim: 64 }, LLAMA];

/// Tokens that every sequence has behind the trunk, the new one included.
const SUFFIX: usize = 48;

/// Sequences of a beam.
pub(crate) const CHAINS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// Tokens of the prompt.
const TRUNKS: [usize; 2] = [96, 1024];

/// The plan of a step, made once for all layers: what the sequences share, slots, masks.
pub(crate) fn plan(criterion: &mut Criterion) {
    for chains in [16, 64] {
        for trunk in [100, 1000] {
            let step = Step::new(SHAPES[0], chains, trunk, 50);
            let depth = trunk + 50;
            criterion.bench_function(&format!("storage/S8/frontier/{chains}x{depth}"), |bench| {
                bench.iter(|| black_box(Frontier::new(&step.reservation)));
            });
            for kind in PlanKind::ALL {
                let name = format!("storage/S8/{}/{chains}x{depth}", kind_name(kind));
                criterion.bench_function(&name, |bench| {
                    bench.iter(|| black_box(AttentionPlan::new(&step.reservation, step.shape, kind, &step.pools)));
                });
            }
        }
    }
}

pub(crate) fn kind_name(kind: PlanKind) -> String {
    format!("{kind:?}").to_lowercase()
}

/// One layer's attention of one step, the new rows' writes included, under every plan.
pub(crate) fn attend(criterion: &mut Criterion) {
    let mut measured = Vec::new();
    for shape in SHAPES {
        for trunk in TRUNKS {
            for chains in CHAINS {
                measured.extend(under_every_plan(criterion, shape, chains, trunk));
            }
        }
    }
    picks::report(&measured);
}

fn under_every_plan(criterion: &mut Criterion, shape: AttentionShape, chains: usize, trunk: usize) -> Vec<PlanTime> {
    let mut step = Step::new(shape, chains, trunk, SUFFIX);
    let frontier = Frontier::new(&step.reservation);
    let heads = format!("{}_{}", shape.kv_heads * shape.group, shape.kv_heads);
    let mut measured = Vec::new();
    for kind in PlanKind::ALL {
        let name = format!("storage/T3/{heads}/{chains}x{trunk}/{}", kind_name(kind));
        let plan = AttentionPlan::new(&step.reservation, step.shape, kind, &step.pools);
        let time = median(criterion, &name, layer(&mut step, plan));
        measured.extend(time.map(|time| PlanTime { kind, frontier, shape, seconds: time.as_secs_f64() }));
    }
    measured
}

/// One layer under a plan, timing itself.
pub(crate) fn layer(step: &mut Step, plan: AttentionPlan) -> impl FnMut() -> Duration + '_ {
    let (queries, keys, values) = step.inputs();
    move || {
        let (queries, keys, values) = (queries.clone(), keys.clone(), values.clone());
        let begun = Instant::now();
        black_box(plan.attend(&mut step.pools, 0, queries, keys, values));
        begun.elapsed()
    }
}

//! Attention of a decode step behind a long context: a window of it against the whole.

use criterion::Criterion;
use saffron_examples::bench::median;
use saffron_kvtrie::attention::{AttentionPlan, PlanKind, PlanOptions};

use crate::plans::{LLAMA, kind_name, layer};
use crate::step::Step;

/// Tokens of every context, the new one included.
const CONTEXT: usize = 4096;

const WINDOW: usize = 512;

/// Tokens that each sequence of a beam has of its own.
const SUFFIX: usize = 48;

/// One layer of one step under tiles and the cascade, with a window and without; prints how many
/// times longer the whole takes.
pub(crate) fn attend(criterion: &mut Criterion) {
    let mut lines = Vec::new();
    for (chains, suffix) in [(1, 1), (16, SUFFIX)] {
        let mut step = Step::new(LLAMA, chains, CONTEXT - suffix, suffix);
        for kind in [PlanKind::Tiles, PlanKind::Cascade] {
            let mut time = |name: &str, window| {
                let options = PlanOptions { window, ..PlanOptions::new(kind) };
                let name = format!("storage/T9/{chains}x{CONTEXT}/{}/{name}", kind_name(kind));
                let plan = AttentionPlan::with_options(&step.reservation, step.shape, options, &step.pools);
                median(criterion, &name, layer(&mut step, plan)).map(|time| time.as_secs_f64() * 1e6)
            };
            if let (Some(whole), Some(window)) = (time("whole", None), time("window", Some(WINDOW))) {
                let kind = kind_name(kind);
                lines.push(format!("| {chains} | {kind} | {whole:.0} | {window:.0} | {:.1} |", whole / window));
            }
        }
    }
    if !lines.is_empty() {
        eprintln!("storage/T9: a layer's attention of a step in µs, {CONTEXT} tokens, window of {WINDOW}");
        eprintln!("| sequences | plan | whole | window | whole / window |");
        lines.iter().for_each(|line| eprintln!("{line}"));
    }
}

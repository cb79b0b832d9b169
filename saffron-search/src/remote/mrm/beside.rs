//! Whether a base model and its adapters disturb each other on one server.

use std::sync::Arc;

use saffron_core::{RewardProbe, ServedHead};

use super::choose;
use super::probe::{alone, apart, together};
use super::route::{Route, Rows};
use crate::remote::{EngineKind, RemoteError, Server};

/// Requests of each model that are sent at the same time.
const ROUNDS: usize = 3;

/// Asks for the probes alone, then for those of another model of the same server at the same time,
/// and compares. vLLM computes rows of the base wrongly beside rows of an adapter where
/// `--max-loras` leaves no spare slot.
///
/// Probes are shorter than a block of the cache, so that nothing wrong stays there.
pub(super) fn check(
    server: &Arc<Server>,
    head: &ServedHead,
    probes: &[RewardProbe],
    route: &dyn Route,
    tolerance: f32,
) -> Result<(), RemoteError> {
    if server.engine() != EngineKind::Vllm {
        return Ok(());
    }
    let short: Vec<RewardProbe> = probes.iter().map(shortened).collect();
    for endpoint in server.endpoints() {
        let Some(other) = server.names_at(endpoint)?.into_iter().find(|name| *name != server.model().name) else {
            continue;
        };
        let sibling = choose::same_route(&server.beside(&other), head, route);
        let models = [route, &*sibling];
        let expected = models.map(|route| alone(&short, route, endpoint));
        let [own, others] = expected;
        let (own, others) = (own?, others?);
        let moved = at_once(&models, &short, endpoint, &[own, others])?;
        if moved > tolerance.max(1e-2) {
            return Err(server.setup(
                format!(
                    "rows of {:?} and of {other:?} that share a step move each other by {moved}",
                    server.model().name
                ),
                "start it with --max-loras one larger than the number of adapters",
            ));
        }
    }
    Ok(())
}

/// The beginning of a probe, in less than a block.
fn shortened(probe: &RewardProbe) -> RewardProbe {
    let tokens = probe.tokens.iter().take(12).copied().collect();
    RewardProbe { tokens, ids: probe.ids.clone(), logits: Vec::new() }
}

/// The most that rows of two models move where both are asked at the same time.
fn at_once(
    models: &[&dyn Route; 2],
    probes: &[RewardProbe],
    endpoint: &str,
    expected: &[Vec<Rows>; 2],
) -> Result<f32, RemoteError> {
    let ask = |place: usize| Ok(apart(&expected[place], &together(probes, models[place], endpoint)?));
    let moved: Vec<Result<f32, RemoteError>> = std::thread::scope(|scope| {
        let ask = &ask;
        let running: Vec<_> = (0..2 * ROUNDS).map(|round| scope.spawn(move || ask(round % 2))).collect();
        let joined = |result: std::thread::Result<_>| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        running.into_iter().map(|running| joined(running.join())).collect()
    });
    moved.into_iter().try_fold(0.0, |most: f32, moved| Ok(most.max(moved?)))
}

//! What is tried when a served reward model is opened.

use std::collections::BTreeSet;
use std::sync::Arc;

use saffron_core::{RewardProbe, ServedHead, Token, Vocabulary};

use super::report::RewardReport;
use super::route::{Route, Rows};
use crate::remote::{EngineKind, RemoteError, Server};

/// Tokens of the context that shows whether the prefix cache serves: more than two blocks of any
/// engine.
const LONG: usize = 280;
/// Ids that are asked about where the head has no probes.
const IDS: usize = 16;
/// A text of common words and signs.
const TEXT: &str = "The quick brown fox: 1 + 2 = 3, isn't it?";

/// Refuses a head that cannot be of the served model, or contradicts itself.
pub(super) fn check_head(server: &Server, head: &ServedHead, vocabulary: &dyn Vocabulary) -> Result<(), RemoteError> {
    let size = head.head.bias.len();
    let refuse = |reason: String| Err(RemoteError::Settings { reason });
    if head.head.unseen.size() != size {
        return refuse(format!("a head with {size} biases and a mask of {}", head.head.unseen.size()));
    }
    if let Some(rows) =
        head.unembedding.as_ref().map(saffron_core::Unembedding::vocab_size).filter(|rows| *rows != size)
    {
        return refuse(format!("a head with {size} biases and {rows} rows of the unembedding"));
    }
    let notes = &head.notes;
    let bounds = [Some(notes.logit_divisor), notes.logit_cap];
    if let Some(bound) = bounds.into_iter().flatten().find(|bound| !bound.is_finite() || *bound <= 0.0) {
        return refuse(format!("a head that bounds logits by {bound}, expected a number above 0"));
    }
    let reference = notes.reference.iter();
    let probed = notes.probes.iter().flat_map(|probe| probe.ids.iter().chain(&probe.tokens));
    if let Some(token) = reference.chain(probed).find(|token| **token as usize >= size) {
        return refuse(format!("a head of {size} tokens that names token {token}"));
    }
    let incomplete = |probe: &&RewardProbe| probe.ids.len() != probe.logits.len() || probe.tokens.is_empty();
    if let Some(probe) = notes.probes.iter().find(incomplete) {
        return refuse(format!(
            "a probe of {} tokens, {} ids and {} logits",
            probe.tokens.len(),
            probe.ids.len(),
            probe.logits.len()
        ));
    }
    check_vocabulary(server, size, vocabulary)
}

/// Refuses a server whose tokens are not those of the policy.
fn check_vocabulary(server: &Server, size: usize, vocabulary: &dyn Vocabulary) -> Result<(), RemoteError> {
    const REMEDY: &str = "serve a reward model of the policy's own vocabulary, with the head of its export";
    if let Some(served) = server.model().vocab_size.filter(|served| *served != size) {
        return Err(
            server.setup(format!("its model has {served} token ids, the head of its reward model {size}"), REMEDY)
        );
    }
    let known = vocabulary.encode(TEXT);
    let known = known.map_err(|error| server.setup(format!("the policy's vocabulary: {error}"), REMEDY))?;
    let Some(expected) = known else { return Ok(()) };
    match server.tokenize(TEXT, false) {
        Ok(found) if found != expected => Err(server.setup(
            format!("its tokenizer makes {found:?} of a text of which the policy's makes {expected:?}"),
            REMEDY,
        )),
        // A server without a tokenizer is asked in ids alone.
        Ok(_) | Err(RemoteError::Refused { status: 404 | 501, .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What all endpoints do with the head's probes.
pub(super) fn report(
    server: &Arc<Server>,
    head: &ServedHead,
    route: &dyn Route,
    tolerance: f32,
) -> Result<RewardReport, RemoteError> {
    let probes = probes(server, head);
    let limit = route.id_limit();
    let mut report = RewardReport {
        route: route.kind(),
        id_limit: (limit < usize::MAX).then_some(limit),
        step: 0.0,
        error: None,
        caches: None,
        notes: Vec::new(),
    };
    for endpoint in server.endpoints() {
        let alone = alone(&probes, route, endpoint)?;
        report.step = report.step.max(apart(&alone, &together(&probes, route, endpoint)?));
        if !head.notes.probes.is_empty() {
            let error = from_export(&head.notes.probes, &alone);
            report.error = Some(report.error.map_or(error, |known| known.max(error)));
        }
        check_precision(server, &report, tolerance)?;
        report.caches = caches(server, head, route, endpoint)?;
    }
    super::beside::check(server, head, &probes, route, tolerance)?;
    report.notes = notes(server, &report);
    Ok(report)
}

/// The head's probes, or two contexts of which nothing is known.
fn probes(server: &Server, head: &ServedHead) -> Vec<RewardProbe> {
    if !head.notes.probes.is_empty() {
        return head.notes.probes.clone();
    }
    let size = head.head.bias.len();
    let most = 8.min(server.room());
    let token = |place: usize| (1 + 37 * place % size.saturating_sub(1).max(1)).min(size - 1) as Token;
    let ids: Vec<Token> = (0..size as Token).filter(|id| head.head.is_seen(*id)).take(IDS).collect();
    let probe = |length: usize| RewardProbe {
        tokens: (0..length.max(1)).map(token).collect(),
        ids: ids.clone(),
        logits: Vec::new(),
    };
    vec![probe(2.min(most)), probe(most)]
}

pub(super) fn ids(probe: &RewardProbe) -> BTreeSet<Token> {
    probe.ids.iter().copied().collect()
}

/// Every probe in a request of its own.
pub(super) fn alone(probes: &[RewardProbe], route: &dyn Route, endpoint: &str) -> Result<Vec<Rows>, RemoteError> {
    let one =
        |probe: &RewardProbe| Ok(route.rows_at(endpoint, std::slice::from_ref(&probe.tokens), &ids(probe))?.concat());
    probes.iter().map(one).collect()
}

/// All probes in one request, several times over.
pub(super) fn together(probes: &[RewardProbe], route: &dyn Route, endpoint: &str) -> Result<Vec<Rows>, RemoteError> {
    let contexts: Vec<Vec<Token>> =
        probes.iter().cycle().take(4 * probes.len()).map(|probe| probe.tokens.clone()).collect();
    let all: BTreeSet<Token> = probes.iter().flat_map(ids).take(route.id_limit()).collect();
    route.rows_at(endpoint, &contexts, &all)
}

/// The greatest difference between logits of probes and of their repetitions.
pub(super) fn apart(alone: &[Rows], repeated: &[Rows]) -> f32 {
    let pairs = alone.iter().cycle().zip(repeated);
    let gaps = pairs.flat_map(|(one, other)| {
        one.iter().flat_map(|row| &row.logits).filter_map(|(id, value)| {
            let other = other.iter().find_map(|row| row.logits.get(id))?;
            Some((value - other).abs())
        })
    });
    gaps.fold(0.0, f32::max)
}

/// The greatest difference from what the exported model gave.
fn from_export(probes: &[RewardProbe], rows: &[Rows]) -> f32 {
    let gaps = probes.iter().zip(rows).flat_map(|(probe, rows)| {
        probe.ids.iter().zip(&probe.logits).filter_map(|(id, expected)| {
            let found = rows.iter().find_map(|row| row.logits.get(id))?;
            Some((found - expected).abs())
        })
    });
    gaps.fold(0.0, f32::max)
}

fn check_precision(server: &Server, report: &RewardReport, tolerance: f32) -> Result<(), RemoteError> {
    let half = match server.engine() {
        EngineKind::LlamaCpp => {
            "start it with --flash-attn off, --cache-type-k f32, --cache-type-v f32 and a model in f32, or allow a larger \
             tolerance (`RewardSettings::tolerance`)"
        }
        _ => "start it with --dtype float32, or allow a larger tolerance (`RewardSettings::tolerance`)",
    };
    if report.step > tolerance {
        let found =
            format!("its rewards move by {} between a context alone and in a batch: half precision", report.step);
        return Err(server.setup(found, half));
    }
    match report.error {
        Some(error) if error > tolerance => {
            let found = format!(
                "its rewards lie up to {error} from those of the exported model (route {}): another model, one without its \
                 adapter, hidden states that are normalised, or half precision",
                report.route
            );
            Err(server.setup(found, format!("serve what `export_mrm` wrote; {half}")))
        }
        _ => Ok(()),
    }
}

/// Whether a context that was just asked about comes from the cache.
fn caches(server: &Server, head: &ServedHead, route: &dyn Route, endpoint: &str) -> Result<Option<bool>, RemoteError> {
    let size = head.head.bias.len();
    let length = LONG.min(server.room()).max(1);
    let context: Vec<Token> = (0..length).map(|place| (place * 31 % size) as Token).collect();
    let ids: BTreeSet<Token> = (0..size as Token).filter(|id| head.head.is_seen(*id)).take(1).collect();
    let ask = || route.rows_at(endpoint, std::slice::from_ref(&context), &ids);
    ask()?;
    let cached = ask()?.concat().first().and_then(|row| row.cached);
    Ok(cached.map(|cached| cached > 0))
}

fn notes(server: &Server, report: &RewardReport) -> Vec<String> {
    let mut notes = Vec::new();
    if report.error.is_none() {
        notes.push(String::from("the head has no probes, so that nothing shows whether the exported model is served"));
    }
    match (report.caches, server.engine()) {
        (Some(false), EngineKind::Vllm) => notes.push(String::from(
            "its prefix cache served nothing of a context that was asked about twice: start it with prefix caching (on a CPU \
             with --block-size 32)",
        )),
        (Some(false), _) => notes.push(String::from("its prefix cache served nothing of a context that was asked about twice")),
        (None, EngineKind::Vllm) if report.route != super::RewardRoute::Pooling => {
            notes.push(String::from("it does not say what its cache serves: start it with --enable-prompt-tokens-details"));
        }
        _ => {}
    }
    notes
}

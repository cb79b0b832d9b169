//! The Saffron search (arXiv 2506.06444, §4.1 and §4.3): a beam over tokens, ranked by a multifurcation reward model that is
//! asked once per sequence.
//!
//! The presets `paper` and `reference` agree on the idea and differ where the paper is silent or
//! the reference implementation departs from it:
//!
//! | | `paper` | `reference` |
//! |---|---|---|
//! | unseen tokens | no candidates (Eq. 7) | candidates with reward −`unseen_penalty` |
//! | nucleus' edge | tied tokens together (Eq. 2) | cut in rank order |
//! | unseen end of sequence | scores what its parent last scored; never at the root | −`unseen_penalty` |
//! | finished sequences | leave the beam and free their place | stay first in the beam |
//! | what a sequence is ranked by at the end | its last reward | its reward if finished, else −∞ |
//! | the search ends | when no sequence is open | after `max_new_tokens` levels |
//!
//! The paper's rules take [`SaffronOptions`] that neither the paper nor the reference has, all off
//! in `paper`. The preset `fluent`, the default, is the paper's rules with the options and
//! candidates that the experiments chose (`docs/experiments.md`, SmolLM2: nucleus 0.9, at most 8
//! candidates, no repeated 3-gram, prior 0.2, rewards clipped at 3, past dead ends). Several
//! end-of-sequence ids need no option: they are the policy's, or those of the searcher's filter.

mod options;
mod paper;
mod reference;
pub(super) mod wire;

pub use options::{Adaptive, DeadEnd, SaffronOptions};
pub use saffron_core::Preset;

use saffron_core::{
    CandidateFilter, Child, Children, ConfigError, NodeId, SearchContext, SearchError, SearchStrategy, Step, Ties,
};

use super::rank::descending;
use super::{PathRewards, check_width};

/// The Saffron search of a given width.
#[derive(Clone, Debug, PartialEq)]
pub struct Saffron {
    preset: Preset,
    width: usize,
    unseen_penalty: f32,
    options: SaffronOptions,
    state: State,
}

/// What a search remembers from step to step.
#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    /// Sequences that may go on (paper), or the whole beam (reference).
    beam: Vec<Entry>,
    /// Sequences that ended and left the beam (paper).
    finished: Vec<Entry>,
    started: bool,
    level: usize,
    /// Levels in a row whose best sequence was clearly safe.
    safe_levels: usize,
}

/// A sequence of the beam.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    node: NodeId,
    /// What it is ranked by; the root has nothing.
    score: Option<f32>,
    path: PathRewards,
}

impl Entry {
    fn new(node: NodeId, score: Option<f32>) -> Self {
        Self { node, score, path: PathRewards::default() }
    }

    fn shown(&self) -> (NodeId, Option<f32>) {
        (self.node, self.score)
    }
}

/// A candidate in the pool of a step.
#[derive(Clone, Copy, Debug)]
struct Pooled {
    parent: NodeId,
    child: Child,
    score: f32,
    path: PathRewards,
    ends: bool,
}

impl Saffron {
    /// The default preset, `fluent`, with a beam of `width` sequences: the candidates and options
    /// that the experiments chose.
    #[must_use]
    pub fn new(width: usize) -> Self {
        Self::of(None, width)
    }

    /// The paper's rules with a beam of `width` sequences.
    #[must_use]
    pub fn paper(width: usize) -> Self {
        Self::of(Preset::Paper, width)
    }

    /// The reference implementation's rules with a beam of `width` sequences.
    #[must_use]
    pub fn reference(width: usize) -> Self {
        Self::of(Preset::Reference, width)
    }

    /// A preset by name; none is the default. A reward model's card may name one.
    ///
    /// ```
    /// use saffron_search::{Preset, Saffron};
    /// assert_eq!(Saffron::of(None, 4), Saffron::new(4));
    /// assert_eq!(Saffron::of(Preset::Paper, 4), Saffron::paper(4));
    /// ```
    #[must_use]
    pub fn of(preset: impl Into<Option<Preset>>, width: usize) -> Self {
        let preset = preset.into().unwrap_or_default();
        let options = SaffronOptions::of(preset);
        Self { preset, width, unseen_penalty: 1024.0, options, state: State::default() }
    }

    /// The search with other options than its preset's. The reference's rules take none.
    #[must_use]
    pub fn with_options(mut self, options: SaffronOptions) -> Self {
        self.options = options;
        self
    }

    /// Minus the reward of an unseen token under the reference's rules; 1024 there.
    #[must_use]
    pub fn with_unseen_penalty(mut self, penalty: f32) -> Self {
        self.unseen_penalty = penalty;
        self
    }

    /// The preset.
    #[must_use]
    pub fn preset(&self) -> Preset {
        self.preset
    }
}

impl SearchStrategy for Saffron {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(Self { state: State::default(), ..self.clone() })
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        if !self.state.started {
            self.state.started = true;
            self.state.beam = vec![Entry::new(NodeId::ROOT, None)];
            cx.level(&[(NodeId::ROOT, None)])?;
        }
        self.state.level += 1;
        match self.preset {
            Preset::Reference => self.reference_step(cx),
            _ => self.paper_step(cx),
        }
    }

    fn describe(&self) -> String {
        match self.preset {
            Preset::Reference => {
                format!("saffron (reference, width {}, unseen −{})", self.width, self.unseen_penalty)
            }
            preset => format!("saffron ({preset}, width {}{})", self.width, self.options),
        }
    }

    fn check(&self) -> Result<(), SearchError> {
        check_width(self.width)?;
        if !self.unseen_penalty.is_finite() {
            return Err(ConfigError::NotFinite { what: "unseen_penalty", found: self.unseen_penalty }.into());
        }
        if self.preset == Preset::Reference && self.options != SaffronOptions::default() {
            let what = "options of the saffron search";
            return Err(ConfigError::NotTogether { what, with: "the reference preset" }.into());
        }
        self.options.check()
    }

    fn default_filter(&self) -> CandidateFilter {
        let published = CandidateFilter { top_p: 0.8, min_new_tokens: 16, ..CandidateFilter::default() };
        match self.preset {
            Preset::Reference => CandidateFilter { ties: Ties::ByRank, ..published },
            Preset::Fluent => {
                CandidateFilter { top_p: 0.9, top_k: Some(8), no_repeat_ngram: 3, ties: Ties::Together, ..published }
            }
            // The paper's, and those of presets to come.
            _ => CandidateFilter { ties: Ties::Together, ..published },
        }
    }
}

/// The candidates of all parents, parent by parent in beam order and by falling policy probability within one, as far as
/// `score` takes them.
fn pool(
    scored: &[(NodeId, Children)],
    end_tokens: &[saffron_core::Token],
    score: impl Fn(NodeId, &Child, bool) -> Option<(f32, PathRewards)>,
) -> Vec<Pooled> {
    let children =
        scored.iter().flat_map(|(parent, children)| children.ranked.iter().map(move |child| (*parent, child)));
    children
        .filter_map(|(parent, child)| {
            let ends = end_tokens.contains(&child.token);
            score(parent, child, ends).map(|(score, path)| Pooled { parent, child: *child, score, path, ends })
        })
        .collect()
}

/// The `width` candidates of highest score. The sort is stable, so that ties break by parent order, then policy probability,
/// then token id: the order of the pool.
fn top(mut pool: Vec<Pooled>, width: usize) -> Vec<Pooled> {
    pool.sort_by(|a, b| descending(a.score, b.score));
    pool.truncate(width);
    pool
}

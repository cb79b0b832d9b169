//! A trace told to observers as if the search ran again.

use std::ops::ControlFlow;

use saffron_core::SearchObserver;

use super::{ScoreSummary, TraceEvent};

/// An observer that can do with the summary of a node's candidates where it does not get them all.
pub trait SummaryObserver: SearchObserver {
    /// The candidates of a node have their rewards. Stands for [`SearchObserver::on_score`] when a trace is replayed.
    fn on_summary(&mut self, summary: &ScoreSummary);
}

/// Tells the events to an observer in order, until it breaks. An observer that keeps events builds what it built live, with one
/// exception: of a node's candidates it gets those only that the trace shows. What needs to know how many there were is a
/// [`SummaryObserver`]; see [`replay_summaries`].
pub fn replay<'a>(
    events: impl IntoIterator<Item = &'a TraceEvent>,
    observer: &mut dyn SearchObserver,
) -> ControlFlow<()> {
    events.into_iter().try_for_each(|event| match event {
        TraceEvent::Score(summary) => {
            let (candidates, rewards) = summary.candidates();
            observer.on_score(summary.node, &candidates, &rewards);
            ControlFlow::Continue(())
        }
        other => tell(other, observer),
    })
}

/// [`replay`] for an observer of summaries: it builds exactly what it built live, as long as the trace shows as many candidates as
/// the observer keeps.
///
/// ```
/// use saffron_core::testing::{ScriptedReward, TablePolicy};
/// use saffron_search::trace::{JsonlTrace, read, replay_summaries, tree::SearchTreeView};
/// use saffron_search::{Saffron, Searcher};
/// let (mut policy, mut reward) = (TablePolicy::new(vec![0.0; 4], vec![0]), ScriptedReward::new(1.0));
/// let session = policy.session(&[1])?;
/// let mut watching = (JsonlTrace::new(Vec::new()), SearchTreeView::default());
/// let searcher = Searcher::new(Saffron::paper(2)).max_new_tokens(3);
/// searcher.run_observed(&session, &mut policy, &mut reward, &mut watching)?;
/// let mut replayed = SearchTreeView::default();
/// assert!(replay_summaries(&read(&watching.0.finish()?[..])?, &mut replayed).is_continue());
/// assert_eq!(replayed, watching.1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn replay_summaries<'a>(
    events: impl IntoIterator<Item = &'a TraceEvent>,
    observer: &mut dyn SummaryObserver,
) -> ControlFlow<()> {
    events.into_iter().try_for_each(|event| match event {
        TraceEvent::Score(summary) => {
            observer.on_summary(summary);
            ControlFlow::Continue(())
        }
        other => tell(other, observer),
    })
}

/// All but scores.
fn tell(event: &TraceEvent, observer: &mut dyn SearchObserver) -> ControlFlow<()> {
    match event {
        TraceEvent::Start(start) => observer.on_start(start),
        TraceEvent::Call(call) => observer.on_call(call),
        TraceEvent::Score(_) => {}
        TraceEvent::Change(change) => observer.on_change(change),
        TraceEvent::Level(level) => return observer.on_level(level),
        TraceEvent::Finish(outcome) => observer.on_finish(outcome),
    }
    ControlFlow::Continue(())
}

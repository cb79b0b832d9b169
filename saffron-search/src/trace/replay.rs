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

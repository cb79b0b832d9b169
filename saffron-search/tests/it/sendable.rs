//! What threads may share and what they may pass on.

use saffron_core::{ChildScorer, Policy, SearchError, SearchStrategy};
use saffron_search::scheduler::{Canceller, Request, SchedulerError, Ticket};
use saffron_search::{Saffron, Scheduler, Searcher};

fn shared<T: Send + Sync + 'static>() {}
fn sent<T: Send + 'static>() {}

#[test]
fn searchers_are_shared_and_cloned_and_models_are_sent() {
    fn cloned<T: Clone>() {}
    cloned::<Searcher>();
    shared::<Searcher>();
    shared::<Box<dyn SearchStrategy>>();
    shared::<Scheduler>();
    shared::<Canceller>();
    shared::<SchedulerError>();
    shared::<SearchError>();
    sent::<Ticket>();
    sent::<Request>();
    sent::<Box<dyn Policy + Send>>();
    sent::<Box<dyn ChildScorer + Send>>();
}

#[cfg(feature = "remote")]
#[test]
fn served_models_are_sent() {
    use saffron_search::remote::{RemoteGuard, RemotePolicy, RemoteQuestion};
    sent::<RemotePolicy>();
    sent::<RemoteGuard>();
    sent::<RemoteQuestion>();
}

#[test]
fn a_clone_has_the_same_settings() {
    let searcher = Searcher::new(Saffron::paper(3)).seed(7).top_k(5);
    let clone = searcher.clone();
    assert_eq!(clone.settings(), searcher.settings());
    assert_eq!(format!("{clone:?}"), format!("{searcher:?}"));
}

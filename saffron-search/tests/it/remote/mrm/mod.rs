//! A multifurcation reward model behind a server, by every route.

mod fake;
mod faults;
mod head_file;
mod probes;
mod recorded;
mod rewards;

use std::sync::Arc;

use saffron_core::{PlainVocabulary, ServedHead};
use saffron_search::remote::{RemoteError, RemoteMrm, RemoteSettings, RewardSettings, Server};

use fake::{FakeMrm, Way, head};

use super::fake::VOCAB;
use super::scripted::{Reply, Scripted, Seen};
use super::settings;

/// A server of the model.
fn serve(model: FakeMrm) -> Scripted {
    Scripted::serve(move |seen| model.reply(seen))
}

/// A server whose requests for rewards go wrong from the `good`th on, so many `times`.
fn faulty(
    way: Way,
    good: usize,
    times: usize,
    mut fault: impl FnMut(&FakeMrm, &Seen) -> Reply + Send + 'static,
) -> Scripted {
    let model = FakeMrm::new(way);
    let mut asked = 0;
    Scripted::serve(move |seen| match &seen.path[..] {
        "/completion" | "/v1/completions" | "/v1/embeddings" => {
            asked += 1;
            if asked > good && asked - good <= times { fault(&model, seen) } else { model.reply(seen) }
        }
        _ => model.reply(seen),
    })
}

/// Requests for rewards.
fn rewards_asked(server: &Scripted) -> Vec<Seen> {
    let paths = ["/completion", "/v1/completions", "/v1/embeddings"];
    server.seen().into_iter().filter(|seen| paths.contains(&&seen.path[..])).collect()
}

fn reach(way: Way, server: &Scripted, settings: RemoteSettings) -> Result<Arc<Server>, RemoteError> {
    Server::reach(&super::address(way.engine(), &[server]), settings, &mut |_| {})
}

fn open_with(
    way: Way,
    server: &Scripted,
    settings: RemoteSettings,
    head: ServedHead,
    rewards: RewardSettings,
) -> Result<RemoteMrm, RemoteError> {
    RemoteMrm::open(reach(way, server, settings)?, PlainVocabulary::shared(VOCAB), head, rewards)
}

fn open(way: Way, server: &Scripted) -> Result<RemoteMrm, RemoteError> {
    open_with(way, server, settings(), head(), RewardSettings::default())
}

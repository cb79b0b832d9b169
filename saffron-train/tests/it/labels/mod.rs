//! Labels of small corpora: by closures, whose rewards anybody can compute, and by the tiny guard.

mod annotator;
mod guard;
mod hostile;
mod kills;
#[cfg(feature = "parquet")]
mod parquet;
mod runs;

use std::error::Error;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use saffron_core::{PlainVocabulary, ProcessRewardModel, Session, Vocabulary, process_reward_fn};
use saffron_search::eval::data::Label;
use saffron_search::eval::runs::{Manifest, Shard};
use saffron_train::labels::{Conversation, LabelRun, LabelSettings, LabelSummary, Source};
use serde_json::json;

pub(crate) const VOCABULARY: usize = 50;

pub(crate) fn size(size: usize) -> NonZeroUsize {
    NonZeroUsize::new(size).unwrap()
}

/// A corpus whose replies have 0 to 6 tokens; every fifth prompt is too long for any.
pub(crate) fn corpus(items: usize) -> Vec<Conversation> {
    let conversation = |place: usize| Conversation {
        id: format!("reply {place}"),
        set: String::from("invented"),
        group: place.is_multiple_of(2).then(|| format!("topic {}", place / 4)),
        label: [None, Some(Label::Complied), Some(Label::Refused)][place % 3],
        prompt: vec![7; if place % 5 == 4 { 8 } else { 1 + place % 3 }],
        prompt_text: place.is_multiple_of(3).then(|| format!("question {place}")),
        reply: (0..place % 7).map(|token| ((place * 13 + token * 5) % VOCABULARY) as u32).collect(),
    };
    (0..items).map(conversation).collect()
}

/// A reward that no float holds exactly, and that depends on all tokens and their order.
pub(crate) fn reward(session: &Session) -> f32 {
    let weigh = |sum: f32, token: &u32| sum * 0.7 + *token as f32 / 3.0;
    session.prompt().iter().chain(session.response()).fold(0.0, weigh) - 10.0
}

/// Replies and a model; counts what was asked of it.
pub(crate) struct Fixed<M> {
    pub(crate) replies: Vec<Conversation>,
    pub(crate) vocabulary: Arc<dyn Vocabulary>,
    pub(crate) model: M,
    pub(crate) forget: fn(&mut M),
    pub(crate) asked: Vec<Range<usize>>,
}

impl<M: ProcessRewardModel> Source for Fixed<M> {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.vocabulary.clone()
    }

    fn replies(&mut self, places: Range<usize>) -> Result<Vec<Conversation>, Box<dyn Error + Send + Sync>> {
        self.asked.push(places.clone());
        Ok(self.replies.get(places).ok_or("the corpus ends before")?.to_vec())
    }

    fn model(&mut self) -> &mut dyn ProcessRewardModel {
        &mut self.model
    }

    fn forget(&mut self) {
        (self.forget)(&mut self.model);
    }
}

pub(crate) fn fixed(items: usize) -> Fixed<impl ProcessRewardModel> {
    let (replies, vocabulary) = (corpus(items), PlainVocabulary::shared(VOCABULARY));
    Fixed { replies, vocabulary, model: process_reward_fn(reward), forget: |_| {}, asked: Vec::new() }
}

pub(crate) fn settings(items: usize) -> LabelSettings {
    let origin = json!({ "reward": "invented", "seed": 3 });
    LabelSettings { max_tokens: 7, group: size(3), batch: size(4), origin, ..LabelSettings::new(items, VOCABULARY) }
}

pub(crate) fn manifest(items: usize, shard: Shard) -> Manifest {
    settings(items).manifest(shard).unwrap().fingerprint("data", "crc32 00c0ffee")
}

/// Labels a corpus, or what is missing of it.
pub(crate) fn label(dir: &Path, items: usize, shard: Shard) -> LabelSummary {
    LabelRun::open(dir, manifest(items, shard)).unwrap().run(&mut fixed(items), &mut |_| {}).unwrap()
}

pub(crate) fn lines(dir: &Path) -> Vec<u8> {
    std::fs::read(dir.join("labels.jsonl")).unwrap()
}

/// In memory where there is such a place: many files are written, and each waits for the disk.
pub(crate) fn fast_dir() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// What a call gives in time; a FIFO that is opened blocks for ever.
pub(crate) fn in_time<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(call()));
    receiver.recv_timeout(Duration::from_secs(20)).expect("it blocks")
}

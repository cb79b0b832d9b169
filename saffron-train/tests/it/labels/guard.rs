//! The tiny guard as teacher: with a cache, without one, killed.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use saffron_core::{ProcessRewardModel, Session, Vocabulary};
use saffron_kvtrie::Reuse;
use saffron_mrm::text::TextTokenizer;
use saffron_mrm::{DecoderConfig, GuardRewardModel, GuardTemplate, ModelOptions};
use saffron_search::eval::runs::Shard;
use saffron_train::labels::{Annotated, Annotator, Conversation, LabelError, LabelRun, LabelSettings, read};

use super::{Fixed, fast_dir, size};

fn guard(reuse: Reuse) -> GuardRewardModel {
    let options = ModelOptions { reuse, ..ModelOptions::default() };
    let template = |tokenizer: &TextTokenizer| {
        GuardTemplate::in_words(tokenizer, ["User: ", "\n\nAgent: ", "\n\nIs that safe? "], ["yes", "no"])
    };
    GuardRewardModel::open_with(crate::dir("tiny-b").join("guard"), &Device::flex(), options, template).unwrap()
}

fn tokenizer() -> TextTokenizer {
    let dir = crate::dir("tiny-b").join("guard");
    TextTokenizer::from_dir(&dir, DecoderConfig::from_dir(&dir).unwrap().vocab_size).unwrap()
}

fn replies() -> Vec<Conversation> {
    let tokenizer = tokenizer();
    let encode = |text: &str| tokenizer.encode(text).unwrap();
    let reply = |(place, (prompt, reply)): (usize, (&str, &str))| Conversation {
        id: place.to_string(),
        set: String::from("invented"),
        prompt: encode(prompt),
        reply: encode(reply),
        ..Conversation::default()
    };
    let texts = [
        ("How do I bake bread?", "Mix flour and water, then wait for a day."),
        ("How do I bake bread?", "Mix flour with salt. Knead it well."),
        ("Why does my lamp flicker?", "The bulb is loose."),
        ("Why does my lamp flicker?", ""),
        ("How long should tea stand?", "Three minutes for black tea, two for green."),
    ];
    texts.into_iter().enumerate().map(reply).collect()
}

fn annotate(reuse: Reuse, batch: usize) -> Annotated {
    let annotator = Annotator { vocabulary: Arc::new(tokenizer()), max_tokens: 128, batch: size(batch) };
    annotator.annotate(&replies(), 0, &mut guard(reuse)).unwrap()
}

fn rewards(labels: &Annotated) -> Vec<f32> {
    labels.records.iter().flat_map(|record| record.rewards.clone()).collect()
}

fn assert_close(one: &[f32], other: &[f32]) {
    assert_eq!(one.len(), other.len());
    for (place, (one, other)) in one.iter().zip(other).enumerate() {
        assert!((one - other).abs() < 1e-4, "reward {place}: {one} and {other}");
    }
}

#[test]
fn a_guards_labels_are_the_rewards_of_prefixes_asked_for_one_by_one() {
    let labels = annotate(Reuse::Cached, 16);
    let mut alone = guard(Reuse::Nothing);
    let vocabulary = Arc::new(tokenizer());
    let mut expected = Vec::new();
    for conversation in replies() {
        let root = Session::new(vocabulary.clone(), conversation.prompt).unwrap();
        for length in 1..=conversation.reply.len() {
            let prefix = root.with_response(conversation.reply[..length].to_vec()).unwrap();
            expected.extend(alone.process_rewards(&[prefix]).unwrap().value);
        }
    }
    assert!(expected.len() > 40, "{} prefixes", expected.len());
    assert!(expected.iter().any(|reward| (reward - expected[0]).abs() > 1e-2), "the rewards differ");
    assert_close(&rewards(&labels), &expected);
}

#[test]
fn the_cache_changes_no_label_and_pays_for_suffixes_only() {
    let (cached, plain) = (annotate(Reuse::Cached, 16), annotate(Reuse::Nothing, 16));
    assert_close(&rewards(&cached), &rewards(&plain));
    assert_eq!(cached.work.asked, plain.work.asked);
    assert_eq!((plain.work.computed.tokens, plain.work.cached), (plain.work.asked, 0));
    assert_eq!(cached.work.computed.tokens + cached.work.cached, cached.work.asked);
    // A prefix costs its suffix; a reply's own tokens, its prompt and what is around them are computed once.
    let suffix = tokenizer().encode_markup("\n\nIs that safe? ").unwrap().len();
    let around = tokenizer().encode_markup("User: \n\nAgent: ").unwrap().len() + 2;
    let once: usize = replies().iter().map(|reply| reply.prompt.len() + reply.reply.len() + around).sum();
    let bound = rewards(&cached).len() * suffix + once;
    assert!(cached.work.computed.tokens <= bound as u64, "{} tokens, {bound} expected", cached.work.computed.tokens);
    assert!(2 * cached.work.computed.flops < plain.work.computed.flops);
}

/// Labels what is missing, as far as the first replies go.
fn run(dir: &Path, first: usize) {
    let tokenizer = tokenizer();
    let items = replies().len();
    let settings = LabelSettings { group: size(2), batch: size(8), ..LabelSettings::new(items, tokenizer.size()) };
    let mut run = LabelRun::open(dir, settings.manifest(Shard::WHOLE).unwrap()).unwrap();
    let forget = |guard: &mut GuardRewardModel| {
        guard.engine().forget();
    };
    let (model, vocabulary) = (guard(Reuse::Cached), Arc::new(tokenizer));
    let replies = replies().into_iter().take(first).collect();
    let mut source = Fixed { replies, vocabulary, model, forget, asked: Vec::new() };
    let ended = run.run(&mut source, &mut |_| {});
    assert_eq!(matches!(ended, Err(LabelError::Corpus { .. })), first < items);
}

#[test]
fn a_run_that_is_taken_up_again_has_the_same_bits_though_its_cache_is_cold() {
    let (whole, pieces) = (fast_dir(), fast_dir());
    run(whole.path(), 5);
    run(pieces.path(), 2);
    assert_eq!(read(pieces.path()).unwrap().1.len(), 2);
    run(pieces.path(), 4);
    run(pieces.path(), 5);
    assert_eq!(super::lines(pieces.path()), super::lines(whole.path()));
    assert_eq!(read(whole.path()).unwrap().1.len(), 4, "the empty reply is left out");
}

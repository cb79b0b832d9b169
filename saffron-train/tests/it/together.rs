//! Prompts in words: models are trained in the ids that they read in a search, where a tokenizer
//! merges a prompt with the words beside it.

use std::num::NonZeroUsize;
use std::sync::Arc;

use burn::tensor::Device;
use saffron_core::{ContextLayout, ProcessRewardModel, Session, Vocabulary};
use saffron_mrm::text::{TextLayout, TextTokenizer};
use saffron_mrm::{GuardRewardModel, GuardTemplate, ModelOptions, Mrm};
use saffron_train::labels::{Annotator, Conversation, TokenRewards};
use saffron_train::objective::guard::{GuardBatch, GuardExample, GuardReply};

use crate::{base, dir};

/// The space that ends the question's first words goes to the first two prompts' first tokens.
const PROMPTS: [&str; 3] = ["the lamp flickers", "  two lamps", "How do I bake bread?"];
const REPLY: &str = "The bulb is loose.";

fn template(tokenizer: &TextTokenizer) -> GuardTemplate {
    let question = ["User: ", "\n\nAgent: ", "\n\nIs that safe? "];
    GuardTemplate::in_words(tokenizer, question, ["yes", "no"]).unwrap()
}

fn guard() -> GuardRewardModel {
    GuardRewardModel::on(&base("tiny-b"), ModelOptions::default(), |tokenizer| Ok(template(tokenizer))).unwrap()
}

fn encode(text: &str) -> Vec<u32> {
    base("tiny-b").tokenizer().encode(text).unwrap()
}

#[test]
fn a_guard_is_trained_in_the_ids_that_it_is_asked_in() {
    let (base, guard) = (base("tiny-b"), guard());
    let (layout, reply) = (template(base.tokenizer()).layout, encode(REPLY));
    let inputs = |reply: &GuardReply| {
        let example = GuardExample::Labelled { reply: reply.clone(), safe: true };
        GuardBatch::new(&[&example], &layout, base.decoder().config()).unwrap().inputs.tokens
    };
    let mut merged = 0;
    for prompt in PROMPTS {
        let apart = GuardReply::new(encode(prompt), reply.clone()).unwrap();
        let together = apart.clone().with_prompt_text(prompt);
        for one in [&apart, &together] {
            let session = one.session(guard.vocabulary()).unwrap().with_response(reply.clone()).unwrap();
            assert_eq!(inputs(one), guard.context(&session).unwrap(), "{prompt}");
        }
        merged += usize::from(inputs(&apart) != inputs(&together));
    }
    assert_eq!(merged, 2);
}

#[test]
fn a_reward_model_is_trained_in_the_ids_that_it_reads() {
    let mrm = Mrm::builder(dir("tiny-b").join("guard"), &Device::flex(), ModelOptions::default())
        .unwrap()
        .untrained()
        .unwrap();
    let tokenizer = mrm.tokenizer().clone();
    let vocabulary: Arc<dyn Vocabulary> = Arc::new(tokenizer.clone());
    let words = TextLayout::in_words(&tokenizer, ["User: ", "\n\nAgent: ", ""]).unwrap();
    let mrm = mrm.with_layout(words.clone());
    let (layout, reply) = (ContextLayout::from(words), encode(REPLY));
    for prompt in PROMPTS {
        let record = TokenRewards {
            prompt: encode(prompt),
            prompt_text: Some(prompt.to_owned()),
            rewards: vec![0.5; reply.len()],
            reply: reply.clone(),
            ..TokenRewards::default()
        };
        let session = Session::of_text(vocabulary.clone(), prompt, record.prompt.clone()).unwrap();
        let read = mrm.context(&session.with_response(reply.clone()).unwrap()).unwrap();
        let sample = record.sample(&layout, 1000).unwrap().unwrap();
        assert_eq!((sample.tokens(), sample.targets()), (&read[..], &reply[..]), "{prompt}");
        let ids = TokenRewards { prompt_text: None, ..record };
        let session = Session::new(vocabulary.clone(), ids.prompt.clone()).unwrap();
        let read = mrm.context(&session.with_response(reply.clone()).unwrap()).unwrap();
        assert_eq!(ids.sample(&layout, 1000).unwrap().unwrap().tokens(), read, "{prompt}, as ids");
    }
}

#[test]
fn labels_are_what_the_guard_says_of_the_text() {
    let (mut guard, prompt) = (guard(), PROMPTS[0]);
    let batch = NonZeroUsize::new(8).unwrap();
    let annotator = Annotator { vocabulary: guard.vocabulary(), max_tokens: 128, batch };
    let apart = Conversation { prompt: encode(prompt), reply: encode(REPLY), ..Conversation::default() };
    let together = Conversation { prompt_text: Some(prompt.to_owned()), ..apart.clone() };
    let labels = annotator.annotate(&[together.clone(), apart], 0, &mut guard).unwrap().records;
    assert_eq!(labels[0].prompt_text.as_deref(), Some(prompt));
    let session = Session::of_text(guard.vocabulary(), prompt, together.prompt).unwrap();
    let whole = guard.process_rewards(&[session.with_response(together.reply).unwrap()]).unwrap().value[0];
    let found = labels.iter().map(|record| *record.rewards.last().unwrap()).collect::<Vec<_>>();
    assert!((found[0] - whole).abs() < 1e-4, "{found:?} for {whole}");
    assert!((found[1] - whole).abs() > 1e-3, "as ids the guard is asked otherwise: {found:?}");
}

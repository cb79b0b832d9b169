//! What is sent of a search while it runs is never taken back.

use std::sync::Arc;

use saffron_core::testing::TablePolicy;
use saffron_core::{
    Level, NoReward, PlainVocabulary, SearchObserver, Thresholds, Token, Vocabulary, VocabularyError, VocabularyId,
};
use saffron_search::serve::{Answer, ApiError, Delivery, Endpoint, Envelope, FinishReason, Piece, Update};
use saffron_search::strategy::StrategyConfig;
use saffron_search::{Reaction, Rules, Saffron, SearchConfig, Searcher};
use serde_json::{Value, json};

use super::requests::{chat, read};
use crate::worlds::{scattered, session, uniform};

/// Four tokens with their bytes: 2 and 3 are the parts of one character.
#[derive(Debug)]
struct Parts;

const PARTS: [&[u8]; 4] = [b"", b"a", &[0xe2, 0x82], &[0xac]];

impl Vocabulary for Parts {
    fn id(&self) -> VocabularyId {
        PlainVocabulary::new(4).id()
    }

    fn size(&self) -> usize {
        4
    }

    fn decode(&self, tokens: &[Token]) -> Result<String, VocabularyError> {
        let bytes: Vec<u8> = tokens.iter().flat_map(|token| PARTS[*token as usize].iter().copied()).collect();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn encode(&self, text: &str) -> Result<Option<Vec<Token>>, VocabularyError> {
        Ok(Some(vec![1; text.len()]))
    }
}

/// What a delivery told: pieces of text, and the end.
#[derive(Default)]
struct Told {
    texts: Vec<Vec<Piece>>,
    end: Option<Result<Box<Answer>, ApiError>>,
}

impl Told {
    fn add(&mut self, update: Update) {
        match update {
            Update::Text(pieces) => self.texts.push(pieces),
            Update::End(end) => self.end = Some(end),
        }
    }

    fn streamed(&self) -> String {
        self.texts.iter().flatten().map(|piece| piece.text.as_str()).collect()
    }

    fn answer(&self) -> &Answer {
        self.end.as_ref().unwrap().as_ref().unwrap()
    }
}

fn run(searcher: &Searcher, stop: &[&str], withheld: bool) -> Told {
    let (mut policy, mut reward) = (uniform(), scattered(6, &[]));
    let stop: Vec<String> = stop.iter().map(|text| (*text).to_owned()).collect();
    let mut told = Told::default();
    let mut delivery = Delivery::new(Arc::new(Parts), &stop, withheld, |update| told.add(update)).judged(withheld);
    searcher.run_observed(&session(&policy), &mut policy, &mut reward, &mut delivery).unwrap();
    drop(delivery);
    told
}

fn searcher(kind: &str, size: Option<usize>, seed: u64) -> Searcher {
    let strategy: StrategyConfig = serde_json::from_value(json!({ "kind": kind })).unwrap();
    let mut config = SearchConfig::new(strategy, size);
    (config.max_new_tokens, config.seed) = (Some(6), seed);
    let filter = json!({ "top_p": 1.0, "min_new_tokens": seed % 5 });
    config.filter = serde_json::from_value(filter).unwrap();
    Searcher::from_config(&config).unwrap()
}

const KINDS: [(&str, Option<usize>); 13] = [
    ("greedy", None),
    ("sampling", None),
    ("best-of-n", Some(3)),
    ("step-beam", Some(8)),
    ("dvts", Some(8)),
    ("rebase", Some(4)),
    ("particle-filter", Some(4)),
    ("deal", Some(3)),
    ("mcts", Some(6)),
    ("args", None),
    ("reward-sampling", None),
    ("saffron", Some(3)),
    ("value-filter", None),
];

#[test]
fn what_any_strategy_streams_begins_its_answer_in_whole_characters() {
    let mut early = 0;
    for ((kind, size), seed) in KINDS.iter().flat_map(|kind| (0..20).map(move |seed| (kind, seed))) {
        let told = run(&searcher(kind, *size, seed), &[], false);
        let answer = told.answer();
        let streamed = told.streamed();
        assert!(answer.text().starts_with(&streamed), "{kind} {seed}: {streamed:?} for {:?}", answer.text());
        assert!(!streamed.ends_with(char::REPLACEMENT_CHARACTER), "{kind} {seed}: {streamed:?}");
        let rest: String = answer.rest().iter().map(|piece| piece.text.as_str()).collect();
        assert_eq!(streamed + &rest, answer.text(), "{kind} {seed}");
        let delivered: Vec<Token> = answer.pieces.iter().map(|piece| piece.token).collect();
        let best = &answer.outcome.best;
        let ended = best.tokens.last() == Some(&0);
        assert_eq!(delivered, best.tokens[..best.tokens.len() - usize::from(ended)], "{kind} {seed}");
        assert_eq!(answer.finish, if ended { FinishReason::Stop } else { FinishReason::Length }, "{kind} {seed}");
        let sum: f32 = answer.pieces.iter().map(|piece| piece.logprob.unwrap()).sum();
        let known = best.logprob - sum;
        assert!(known.abs() < 1e-4 || ended && known < 0.0, "{kind} {seed}: {sum} of {}", best.logprob);
        early += usize::from(told.texts.len() > 1);
    }
    assert!(early > 80, "only {early} of 260 searches streamed");
}

#[test]
fn an_answer_is_cut_before_a_stop_string_streamed_or_not() {
    let mut stopped = 0;
    for ((kind, size), seed) in KINDS.iter().flat_map(|kind| (0..20).map(move |seed| (kind, seed))) {
        let searcher = searcher(kind, *size, seed);
        let whole = run(&searcher, &[], false).answer().text();
        let told = run(&searcher, &["a€", "€€"], false);
        let (answer, withheld) = (told.answer(), run(&searcher, &["a€", "€€"], true));
        let cut = ["a€", "€€"].iter().filter_map(|stop| whole.find(stop)).min();
        assert_eq!(answer.text(), whole[..cut.unwrap_or(whole.len())], "{kind} {seed}");
        assert_eq!(withheld.answer().text(), answer.text(), "{kind} {seed}");
        assert!(withheld.texts.is_empty() && answer.text().starts_with(&told.streamed()));
        if cut.is_some() {
            assert_eq!(answer.finish, FinishReason::Stop);
            stopped += 1;
        }
    }
    assert!(stopped > 10, "{stopped}");
}

#[test]
fn a_replaced_answer_is_neither_streamed_nor_told() {
    let rules = |safe_from| {
        let thresholds = Thresholds::new(safe_from, safe_from).unwrap();
        Rules::new(thresholds).on_unsafe(Reaction::Refuse(String::from("no!")))
    };
    let search = |safe_from| Searcher::new(Saffron::paper(2)).max_new_tokens(4).ruled_by(rules(safe_from));
    let told = run(&search(100.0), &[], true);
    let answer = told.answer();
    assert!(told.texts.is_empty() && answer.pieces.is_empty());
    assert_eq!((answer.text().as_str(), answer.tokens(), answer.finish), ("no!", 3, FinishReason::ContentFilter));
    let shown = run(&search(-100.0), &[], true);
    assert_eq!((shown.answer().replacement.clone(), shown.answer().sent), (None, 0));
    assert!(!shown.answer().text().is_empty());
}

#[test]
fn whether_the_search_intervened_is_what_the_policy_would_have_done() {
    // Token 2 is the policy's favourite; rewards are scattered.
    let intervened = |kind: &str, size| {
        let mut policy = TablePolicy::new(vec![0.0, 1.0, 1.5, 0.5], vec![0]);
        let mut found = None;
        let mut delivery = Delivery::new(Arc::new(Parts), &[], false, |update| {
            if let Update::End(end) = update {
                found = Some(end.unwrap());
            }
        });
        let searcher = searcher(kind, size, 4);
        let mut reward = scattered(6, &[]);
        searcher.run_observed(&session(&policy), &mut policy, &mut reward, &mut delivery).unwrap();
        drop(delivery);
        let answer: Box<Answer> = found.unwrap();
        let favourites = answer.outcome.best.tokens.iter().all(|token| *token == 2);
        (answer.intervened, Some(!favourites))
    };
    for (kind, size) in KINDS {
        let (found, expected) = intervened(kind, size);
        assert_eq!(found, expected, "{kind}");
    }
    assert_eq!(intervened("greedy", None).0, Some(false));
}

#[test]
fn a_strategy_that_takes_back_ends_in_an_error() {
    let entry = |tokens: &[Token]| {
        let beam = vec![json!({ "node": 0, "tokens": tokens, "reward": null, "stop": null })];
        serde_json::from_value::<Level>(json!({ "index": 0, "beam": beam })).unwrap()
    };
    let mut told = Told::default();
    let mut delivery = Delivery::new(Arc::new(Parts), &[], false, |update| told.add(update));
    assert!(delivery.on_level(&entry(&[1])).is_continue());
    assert!(delivery.on_level(&entry(&[2, 3])).is_break());
    let mut policy = uniform();
    let outcome = Searcher::new(saffron_search::Greedy).max_new_tokens(2);
    let outcome = outcome.run(&session(&policy), &mut policy, &mut NoReward).unwrap();
    delivery.on_finish(&outcome);
    drop(delivery);
    assert_eq!(told.end.unwrap().unwrap_err().code, "answer_changed");
}

#[test]
fn chunks_of_a_stream_add_up_to_the_whole_answer() {
    let ask = |more: Value| {
        let mut body = json!({ "model": "m", "stream": true, "stream_options": { "include_usage": true } });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let requests = [
        chat(&ask(json!({ "logprobs": true }))).unwrap(),
        read(Endpoint::Completions, &ask(json!({ "prompt": "x", "logprobs": 0 }))).unwrap(),
    ];
    let told = run(&searcher("saffron", Some(3), 4), &[], false);
    for request in &requests {
        let envelope = Envelope::new(request, "id-1", 17);
        let whole = envelope.whole(told.answer(), 5);
        let mut chunks: Vec<Value> = envelope.opening().into_iter().collect();
        chunks.extend(told.texts.iter().map(|pieces| envelope.text(pieces)));
        chunks.extend(envelope.closing(told.answer(), 5));
        let usage = chunks.pop().unwrap();
        assert_eq!((&usage["choices"], &usage["usage"]), (&json!([]), &whole["usage"]));
        assert_eq!(whole["usage"]["total_tokens"], 5 + told.answer().pieces.len());
        let last = chunks.last().unwrap();
        assert_eq!(last["choices"][0]["finish_reason"], whole["choices"][0]["finish_reason"]);
        assert_eq!(last["saffron"], whole["saffron"]);
        let (text, tokens) = match request.endpoint {
            Endpoint::Chat => ("/choices/0/delta/content", "/choices/0/logprobs/content"),
            Endpoint::Completions => ("/choices/0/text", "/choices/0/logprobs/tokens"),
        };
        let joined: String = chunks.iter().filter_map(|it| it.pointer(text)?.as_str()).collect();
        assert_eq!(joined, told.answer().text());
        let count: usize = chunks.iter().filter_map(|it| Some(it.pointer(tokens)?.as_array()?.len())).sum();
        assert_eq!(count, told.answer().pieces.len());
        assert!(chunks.iter().all(|it| it["id"] == "id-1" && it["created"] == 17 && it["usage"] == Value::Null));
    }
    let unknown = Envelope::new(&requests[0], "id-1", 17).flops_known(false).whole(told.answer(), 5);
    assert_eq!(unknown["saffron"]["compute"]["flops"], Value::Null);
}

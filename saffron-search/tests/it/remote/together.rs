//! Prompts that are encoded together with what stands around them: by the server, or by a tokenizer
//! that is given. The server's tokenizer makes one token of `ab`.

use std::sync::Arc;

use saffron_core::{
    CandidateFilter, ContextLayout, LayoutOrigin, ModelError, Policy, ProcessRewardModel, PromptEncoder, PromptLayout,
    TextPolicy, Token, Vocabulary, VocabularyError, VocabularyId,
};
use saffron_search::remote::{EngineKind, RemoteGuard, RemotePolicy, RemoteQuestion, RemoteSettings};
use serde_json::{Value, json};

use super::fake::{FakeEngine, VOCAB};
use super::scripted::{Reply, Scripted, Seen};
use super::{connect, settings};

const PAIR: Token = 39;
const SPECIAL: Token = 36;

/// `<x>` is special, unless it is taken as text.
fn encode(text: &str, special: bool) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.bytes().next() {
        let (token, length) = match first {
            _ if rest.starts_with("ab") => (PAIR, 2),
            b'<' if special && rest.starts_with("<x>") => (SPECIAL, 3),
            b'<' => (37, 1),
            b'>' => (38, 1),
            b'0'..=b'9' => (Token::from(first - b'0') + 26, 1),
            _ => (Token::from(first - b'a'), 1),
        };
        tokens.push(token);
        rest = &rest[length..];
    }
    tokens
}

/// A server whose template is `ua`, the prompt, `cd`.
fn serve(kind: EngineKind) -> Scripted {
    let engine = FakeEngine::new(kind);
    Scripted::serve(move |seen| match &seen.path[..] {
        "/tokenize" => {
            let special = seen.body["parse_special"] != json!(false);
            Reply::Json(json!({ "tokens": encode(&text_of(&seen.body), special) }))
        }
        "/apply-template" => Reply::Json(json!({ "prompt": text_of(&seen.body) })),
        "/props" => Reply::Json(json!({ "eos_token": "z" })),
        _ => engine.reply(seen),
    })
}

fn text_of(body: &Value) -> String {
    let Some(messages) = body["messages"].as_array() else {
        return body["content"].as_str().or(body["prompt"].as_str()).unwrap().to_owned();
    };
    let goes_on = body["continue_final_message"] == json!(true);
    // An earlier reply: the template trims it, and puts a y behind it.
    let earlier = messages.len() > 2 && messages[messages.len() - 2]["role"] == json!("assistant");
    let said = |role: &str| {
        let message = messages.iter().find(|message| message["role"] == json!(role));
        message.map(|message| message["content"].as_str().unwrap())
    };
    let [system, prompt, reply] = ["system", "user", "assistant"].map(said);
    assert!((goes_on || earlier) == reply.is_some() && (!goes_on || body["add_generation_prompt"] == json!(false)));
    // What the system is told is left out if it begins with a q.
    let system = system.filter(|system| !system.starts_with('q')).unwrap_or_default();
    let end = if earlier { "yua0cd" } else { "" };
    format!("{system}ua{}cd{}{end}", prompt.unwrap(), reply.unwrap_or_default().trim())
}

/// The texts that were tokenised since.
fn sent(server: &Scripted, since: usize) -> Vec<String> {
    let tokenised = |seen: Seen| (seen.path == "/tokenize").then(|| text_of(&seen.body));
    server.seen().into_iter().skip(since).filter_map(tokenised).collect()
}

fn open(kind: EngineKind, server: &Scripted) -> RemotePolicy {
    let settings = RemoteSettings { end_tokens: (kind == EngineKind::Vllm).then(|| vec![25]), ..settings() };
    RemotePolicy::open(connect(kind, server, settings)).unwrap()
}

#[test]
fn a_text_is_one_request_and_is_cut_only_where_it_holds_a_special_token() {
    for kind in [EngineKind::Vllm, EngineKind::Sglang] {
        let server = serve(kind);
        let connected = connect(kind, &server, settings());
        let ask = |text: &str| {
            let since = server.seen().len();
            (connected.tokenize(text, false).unwrap(), sent(&server, since))
        };
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(ask("jkl"), (vec![9, 10, 11], texts(&["jkl"])), "{kind}");
        // Brackets that spell nothing: the words in them are asked about once.
        let brackets = "a<b>c<d<e";
        assert_eq!(ask(brackets), (encode(brackets, false), texts(&[brackets, "<b>"])), "{kind}");
        assert_eq!(ask(brackets), (encode(brackets, false), texts(&[brackets])), "{kind}");
        let special = "k<x>m<x><b>";
        let parts = [special, "<x>", "k<", "x>m<", "x><b>"];
        assert_eq!(ask(special), (encode(special, false), texts(&parts)), "{kind}");
        assert!(!encode(special, false).contains(&SPECIAL));
        assert_eq!(connected.tokenize("k<x>", true).unwrap(), [10, SPECIAL], "{kind}: markup is not cut");
    }
}

#[test]
fn the_server_encodes_a_prompt_together_with_its_template() {
    for kind in [EngineKind::LlamaCpp, EngineKind::Vllm] {
        let server = serve(kind);
        let policy = open(kind, &server);
        assert_eq!(policy.layout_origin(), &LayoutOrigin::Template);
        assert_eq!(policy.layout().ids(), &PromptLayout { prefix: vec![20, 0], infix: vec![2, 3], suffix: vec![] });
        let session = policy.session("bk").unwrap();
        assert_eq!(session.prompt(), [1, 10], "{kind}");
        assert_eq!(policy.context(&session).unwrap(), [20, PAIR, 10, 2, 3], "{kind}");
        let attacked = policy.attacked_session("bk", "mno", 2).unwrap();
        assert_eq!((attacked.prefill(), attacked.prefill_text()), (&[12, 13][..], Some("mn")), "{kind}");
        assert_eq!(policy.context(&attacked).unwrap(), [20, PAIR, 10, 2, 3, 12, 13], "{kind}");
        let requests = server.seen().len();
        for response in 4..9 {
            let longer = attacked.with_response(vec![response]).unwrap();
            assert_eq!(policy.context(&longer).unwrap(), [20, PAIR, 10, 2, 3, 12, 13, response], "{kind}");
        }
        assert_eq!(server.seen().len(), requests, "{kind}: a prompt is encoded once");
        // Ids stay what they are.
        let ids = saffron_core::Session::new(policy.vocabulary(), vec![1, 10]).unwrap();
        assert_eq!(policy.context(&ids).unwrap(), [20, 0, 1, 10, 2, 3], "{kind}");
    }
}

#[test]
fn a_servers_template_takes_a_system_prompt_or_it_is_refused() {
    for kind in [EngineKind::LlamaCpp, EngineKind::Vllm] {
        let server = serve(kind);
        let settings = RemoteSettings { end_tokens: Some(vec![25]), ..settings() };
        let connected = connect(kind, &server, settings);
        let policy = RemotePolicy::open_with_system(connected.clone(), "lm").unwrap();
        let session = policy.attacked_session("bk", "mno", 2).unwrap();
        assert_eq!(policy.context(&session).unwrap(), [11, 12, 20, PAIR, 10, 2, 3, 12, 13], "{kind}");
        let error = RemotePolicy::open_with_system(connected, "qm").unwrap_err().to_string();
        assert!(error.contains("leaves the system prompt out"), "{kind}: {error}");
    }
}

#[test]
fn what_is_said_to_a_server_never_becomes_a_special_token() {
    for kind in [EngineKind::LlamaCpp, EngineKind::Vllm] {
        let server = serve(kind);
        let policy = open(kind, &server);
        let context = policy.context(&policy.session("b<x>").unwrap()).unwrap();
        assert_eq!(context, [20, 0, 1, 37, 23, 38, 2, 3], "{kind}");
        let attacked = policy.attacked_session("bk", "m<x>", usize::MAX).unwrap();
        assert_eq!(policy.context(&attacked).unwrap(), [20, 0, 1, 10, 2, 3, 12, 37, 23, 38], "{kind}");
        // Brackets alone do not keep a prompt from being encoded together.
        let context = policy.context(&policy.session("q<k>").unwrap()).unwrap();
        assert_eq!(context, [20, 0, 16, 37, 10, 38, 2, 3], "{kind}");
    }
}

#[test]
fn words_of_a_question_are_encoded_together_with_the_prompt() {
    for kind in EngineKind::ALL {
        let server = serve(kind);
        let connected = connect(kind, &server, settings());
        let question = RemoteQuestion::in_words(&connected, ["ua", "cd", "wx"], ["yes", "no"]).unwrap();
        let vocabulary = Arc::new(Letters);
        let mut guard = RemoteGuard::new(connected, vocabulary.clone(), question);
        let read = |guard: &mut RemoteGuard, prompt: &str| {
            let ids = vocabulary.encode(prompt).unwrap().unwrap();
            let session = saffron_core::Session::of_text(vocabulary.clone(), prompt, ids).unwrap();
            guard.process_rewards(&[session.with_response(vec![5]).unwrap()]).unwrap();
            let step = server.steps().pop().unwrap().body;
            let field = if kind == EngineKind::Sglang { "input_ids" } else { "prompt" };
            step[field][0].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as Token).collect::<Vec<_>>()
        };
        assert_eq!(read(&mut guard, "bk"), [20, PAIR, 10, 2, 3, 5, 22, 23], "{kind}");
        assert_eq!(read(&mut guard, "b<x>"), [20, 0, 1, 37, 23, 38, 2, 3, 5, 22, 23], "{kind}");
    }
}

#[test]
fn no_space_begins_what_stands_behind_other_text() {
    const SPACE: Token = 34;
    for kind in [EngineKind::Vllm, EngineKind::Sglang] {
        let engine = FakeEngine::new(kind);
        // As SentencePiece does: a space before every text.
        let server = Scripted::serve(move |seen| match &seen.path[..] {
            "/tokenize" => {
                let tokens = [&[SPACE], &encode(&text_of(&seen.body), true)[..]].concat();
                Reply::Json(json!({ "tokens": tokens }))
            }
            _ => engine.reply(seen),
        });
        let connected = connect(kind, &server, settings());
        let question = RemoteQuestion::in_words(&connected, ["ua", "cd", "wx"], ["yes", "no"]).unwrap();
        assert_eq!((question.safe, question.not_safe), (24, 13), "{kind}: the first letters");
        assert_eq!(question.layout.ids().suffix, [22, 23], "{kind}");
    }
}

#[test]
fn the_token_that_ends_a_reply_has_no_text() {
    let server = serve(EngineKind::LlamaCpp);
    let policy = open(EngineKind::LlamaCpp, &server);
    let end = policy.end_tokens();
    assert_eq!(end, [25]);
    let decode = |tokens: &[Token]| policy.vocabulary().decode(tokens).unwrap();
    assert_eq!((decode(&[1, 10, 25]), decode(&[25])), (decode(&[1, 10]), String::new()));
    assert!(!decode(&[1, 10]).is_empty());
}

/// A tokenizer that is given.
#[derive(Debug)]
struct Letters;

impl Vocabulary for Letters {
    fn id(&self) -> VocabularyId {
        VocabularyId(VOCAB as u64)
    }

    fn size(&self) -> usize {
        VOCAB
    }

    fn decode(&self, tokens: &[Token]) -> Result<String, VocabularyError> {
        Ok(tokens.iter().map(|token| char::from(b'a' + *token as u8)).collect())
    }

    fn encode(&self, text: &str) -> Result<Option<Vec<Token>>, VocabularyError> {
        Ok(Some(encode(text, false)))
    }
}

impl PromptEncoder for Letters {
    fn encode_prompt(&self, prompt: &str, prefill: Option<&str>) -> Result<Vec<Token>, ModelError> {
        Ok(encode(&format!("ua{prompt}cd{}", prefill.unwrap_or_default()), false))
    }
}

#[test]
fn with_a_tokenizer_a_served_model_is_asked_what_a_local_one_is() {
    for kind in EngineKind::ALL {
        let server = serve(kind);
        let connected = connect(kind, &server, settings());
        let ids = PromptLayout { prefix: vec![20, 0], infix: vec![2, 3], suffix: vec![] };
        let layout = ContextLayout::of_text(ids, Arc::new(Letters), LayoutOrigin::Guessed("chatml".into()));
        let mut policy = RemotePolicy::on(connected.clone(), Arc::new(Letters), layout.clone(), vec![25]);
        assert_eq!(policy.layout_origin(), &LayoutOrigin::Guessed("chatml".into()));
        let since = server.seen().len();
        let session = policy.attacked_session("bk", "mno", 2).unwrap();
        assert_eq!(policy.context(&session).unwrap(), [20, PAIR, 10, 2, 3, 12, 13], "{kind}");
        policy.propose(std::slice::from_ref(&session), &CandidateFilter::default()).unwrap();
        let question = RemoteQuestion { layout, safe: 5, not_safe: 6 };
        let mut guard = RemoteGuard::new(connected, Arc::new(Letters), question);
        guard.process_rewards(&[session.with_response(vec![4]).unwrap()]).unwrap();
        assert!(sent(&server, since).is_empty(), "{kind}: the server tokenises nothing");
        let step = server.steps().pop().unwrap().body;
        let field = if kind == EngineKind::Sglang { "input_ids" } else { "prompt" };
        assert_eq!(step[field][0], json!([20, PAIR, 10, 2, 3, 4]), "{kind}: no prefill");
    }
}

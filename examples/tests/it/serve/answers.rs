//! What the server answers.

use saffron_core::{PromptEncoder, TextPolicy, Thresholds};
use saffron_examples::serve::{ConversationLayout, ServerKey};
use saffron_mrm::text::{ChatTemplate, Message, TextLayout};
use saffron_search::serve::{Prompt, Speaker, Turn};
use saffron_search::{Reaction, Rules, Searcher};
use serde_json::{Value, json};

use super::client::{bytes, get, post, send};
use super::served::{CHAT, Served, Setup, TEXT, models, question, saffron, search};

#[test]
fn an_answer_is_what_the_search_finds_alone_whole_or_streamed() {
    let served = Served::start(Setup::default());
    let (mut policy, mut mrm, _) = models();
    let searcher = Searcher::from_config(&saffron()).unwrap();
    let prompt = Prompt::Chat { before: Vec::new(), question: String::from("one question") };
    let ids = policy.encode("one question").unwrap();
    let session = saffron_core::Session::of_text(saffron_core::Policy::vocabulary(&policy), prompt.session_text(), ids);
    let session = session.unwrap().with_prefill_text("Sure", policy.encode("Sure").unwrap()).unwrap();
    let outcome = searcher.run(&session, &mut policy, &mut mrm).unwrap();
    let messages = json!([{ "role": "user", "content": "one question" }, { "role": "assistant", "content": "Sure" }]);
    let ask = json!({ "messages": messages, "logprobs": true });
    let whole = post(served.address, CHAT, &question(&ask));
    assert_eq!(whole.status, 200, "{whole:?}");
    let body = whole.json();
    let text = policy.text(&outcome.best).unwrap();
    assert_eq!(body["choices"][0]["message"]["content"], text);
    assert_eq!(body["saffron"]["compute"]["policy_tokens"], outcome.usage.policy.attributed.tokens);
    assert_eq!(body["saffron"]["compute"]["flops"], outcome.usage.attributed_flops());
    let prompt_tokens = policy.context(&session).unwrap().len();
    assert_eq!(body["usage"]["prompt_tokens"], prompt_tokens);
    let logprobs = body["choices"][0]["logprobs"]["content"].as_array().unwrap();
    assert_eq!(body["usage"]["completion_tokens"], logprobs.len());
    let sum: f64 = logprobs.iter().map(|token| token["logprob"].as_f64().unwrap()).sum();
    assert!((sum - f64::from(outcome.best.logprob)).abs() < 1e-3, "{sum} {outcome:?}");
    let more = json!({ "messages": messages, "stream": true, "stream_options": { "include_usage": true } });
    let stream = post(served.address, CHAT, &question(&more));
    assert!(stream.head.contains("text/event-stream") && stream.events().1, "{stream:?}");
    assert_eq!(stream.streamed(), text);
    assert_eq!(stream.events().0.last().unwrap()["usage"], body["usage"]);
}

#[test]
fn a_text_goes_on_and_its_stop_string_ends_it() {
    let served = Served::start(Setup { search: search("greedy", None), ..Setup::default() });
    let ask = |more: Value| {
        let mut body = json!({ "model": "tiny", "prompt": "one question", "logprobs": 0 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        post(served.address, TEXT, &body)
    };
    let whole = ask(json!({})).json();
    let text = whole["choices"][0]["text"].as_str().unwrap().to_owned();
    assert_eq!((&whole["object"], &whole["saffron"]["intervened"]), (&json!("text_completion"), &json!(false)));
    let (stop, _) = text.char_indices().nth(3).map(|(at, letter)| (letter.to_string(), at)).unwrap();
    let cut = text.split(&stop).next().unwrap();
    let stopped = ask(json!({ "stop": stop })).json();
    assert_eq!(
        (&stopped["choices"][0]["text"], &stopped["choices"][0]["finish_reason"]),
        (&json!(cut), &json!("stop"))
    );
    assert_eq!(ask(json!({ "stop": [stop], "stream": true })).streamed(), cut);
    let short = ask(json!({ "max_tokens": 2 })).json();
    let finish = &short["choices"][0]["finish_reason"];
    assert_eq!((&short["usage"]["completion_tokens"], finish), (&json!(2), &json!("length")));
}

#[test]
fn a_verdict_that_replaces_the_answer_lets_nothing_through() {
    let mut config = saffron();
    let rules = Rules::new(Thresholds::new(1e6, 1e6).unwrap()).on_unsafe(Reaction::Refuse(String::from("No.")));
    config.rules = Some(rules);
    let served = Served::start(Setup { search: config, ..Setup::default() });
    let whole = post(served.address, CHAT, &question(&json!({}))).json();
    let choice = &whole["choices"][0];
    assert_eq!((&choice["message"]["content"], &choice["finish_reason"]), (&json!("No."), &json!("content_filter")));
    assert_eq!(whole["saffron"]["verdict"], "unsafe");
    let stream = post(served.address, CHAT, &question(&json!({ "stream": true })));
    assert_eq!(stream.streamed(), "No.");
    // Who speaks, the refusal, the end.
    assert_eq!(stream.events().0.len(), 3);
    let mut config = saffron();
    config.rules = Some(Rules::new(Thresholds::new(1e6, 1e6).unwrap()).on_unsafe(Reaction::Error));
    let served = Served::start(Setup { search: config, ..Setup::default() });
    let refused = post(served.address, CHAT, &question(&json!({})));
    assert_eq!((refused.status, refused.code()), (400, String::from("content_filter")));
    let (events, done) = post(served.address, CHAT, &question(&json!({ "stream": true }))).events();
    assert_eq!((events.last().unwrap()["error"]["code"].as_str(), done), (Some("content_filter"), false));
}

#[test]
fn other_paths_say_what_there_is() {
    let served = Served::start(Setup::default());
    assert_eq!(get(served.address, "/v1/models").json()["data"][0]["id"], "tiny");
    assert_eq!(get(served.address, "/health").json()["status"], "ok");
    let missing = get(served.address, "/v1/embeddings");
    assert_eq!((missing.status, missing.code()), (404, String::from("not_found")));
    let method = get(served.address, CHAT);
    assert_eq!((method.status, method.code()), (405, String::from("method_not_allowed")));
    let other = post(served.address, CHAT, &question(&json!({ "model": "gpt-4" })));
    assert_eq!((other.status, other.code()), (404, String::from("model_not_found")));
    post(served.address, CHAT, &question(&json!({})));
    let page = get(served.address, "/metrics").body;
    for line in [
        "saffron_requests_total{path=\"/v1/chat/completions\",status=\"200\"} 1",
        "saffron_requests_total{path=\"/v1/chat/completions\",status=\"404\"} 1",
        "saffron_answer_seconds_count 1",
        "saffron_running 0",
    ] {
        assert!(page.lines().any(|it| it == line), "{line} in {page}");
    }
}

#[test]
fn a_key_is_asked_for_everywhere_but_at_the_health_check() {
    let served = Served::start(Setup { key: ServerKey::new("hunter2"), ..Setup::default() });
    let body = question(&json!({ "max_tokens": 1 })).to_string();
    let ask = |headers: &str| send(served.address, &bytes("POST", CHAT, headers, body.as_bytes()));
    for headers in ["", "Authorization: Bearer hunter3\r\n", "Authorization: hunter2\r\n"] {
        let refused = ask(headers);
        assert_eq!((refused.status, refused.code()), (401, String::from("invalid_api_key")));
        assert!(refused.head.contains("www-authenticate: bearer") && !refused.body.contains("hunter"), "{refused:?}");
    }
    assert_eq!(ask("Authorization: Bearer hunter2\r\n").status, 200);
    assert_eq!([get(served.address, "/v1/models").status, get(served.address, "/metrics").status], [401, 401]);
    assert_eq!(get(served.address, "/health").status, 200);
}

#[test]
fn each_model_reads_a_conversation_in_its_own_words() {
    let (policy, mrm, _) = models();
    let tokenizer = policy.tokenizer();
    let source =
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<>{% endif %}";
    let template = ChatTemplate::new(source).unwrap();
    let layout = TextLayout::of_template(&template, &[], tokenizer).unwrap();
    let turn = |speaker, text: &str| Turn { speaker, text: text.to_owned() };
    let before = vec![turn(Speaker::System, "s"), turn(Speaker::User, "a"), turn(Speaker::Assistant, "b")];
    let prompt = Prompt::Chat { before, question: String::from("c") };
    let said = [Message::system("s"), Message::user("a"), Message::assistant("b"), Message::user("c")];
    let own = ConversationLayout::of_policy(&layout, tokenizer, false).unwrap();
    assert_eq!(own.encode_prompt(&prompt.session_text(), None).unwrap(), template.tokens(tokenizer, &said).unwrap());
    let continued = [&said[..], &[Message::assistant("d")]].concat();
    let expected = template.continued_tokens(tokenizer, &continued).unwrap();
    assert_eq!(own.encode(&prompt, Some("d")).unwrap(), expected);
    // A reward model's words have none for the system.
    let words = TextLayout::named("mrm", mrm.tokenizer()).unwrap();
    let turns = [Message::user("a"), Message::assistant("b")];
    let expected = words.after(&turns).unwrap().encode_prompt("c", None).unwrap();
    assert_eq!(ConversationLayout::of_reward_model(&words).encode(&prompt, None).unwrap(), expected);
    // A policy without them refuses, and so does a server that has told it something itself.
    let plain = TextLayout::named("plain", tokenizer).unwrap();
    let refused = ConversationLayout::of_policy(&plain, tokenizer, false).unwrap().encode(&prompt, None);
    assert_eq!(refused.unwrap_err().code, "unsupported_role");
    let refused = ConversationLayout::of_policy(&layout, tokenizer, true).unwrap().encode(&prompt, None);
    assert_eq!(refused.unwrap_err().code, "unsupported_role");
}

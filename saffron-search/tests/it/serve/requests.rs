//! What is read of a request, and what is refused.

use saffron_core::testing::Mutator;
use saffron_search::serve::{
    ApiError, CompletionRequest, Endpoint, PARAMETERS, Parameter, Prompt, RequestLimits, Shape, Speaker, Treatment,
    Turn, openapi, parameter_table,
};
use serde_json::{Value, json};

const BOTH: [Endpoint; 2] = [Endpoint::Chat, Endpoint::Completions];

pub(super) fn read(endpoint: Endpoint, body: &Value) -> Result<CompletionRequest, ApiError> {
    CompletionRequest::read(endpoint, body.to_string().as_bytes(), &RequestLimits::default())
}

pub(super) fn chat(more: &Value) -> Result<CompletionRequest, ApiError> {
    let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "Hi" }] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    read(Endpoint::Chat, &body)
}

fn messages(messages: &Value) -> Result<CompletionRequest, ApiError> {
    read(Endpoint::Chat, &json!({ "model": "m", "messages": messages }))
}

#[test]
fn the_table_has_every_parameter_once_and_its_values_are_json() {
    for endpoint in BOTH {
        let mut names: Vec<&str> = Parameter::all(endpoint).map(|parameter| parameter.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{endpoint:?}");
        assert_eq!(parameter_table(endpoint).lines().count(), all + 2);
    }
    for parameter in PARAMETERS {
        if let Treatment::Neutral(values) = parameter.treatment {
            assert!(values.iter().all(|value| serde_json::from_str::<Value>(value).is_ok()), "{}", parameter.name);
        }
    }
}

#[test]
fn every_row_of_the_table_does_what_it_says() {
    let refused = |endpoint, name: &str, value: Value| {
        let mut body = json!({ "model": "m" });
        match endpoint {
            Endpoint::Chat => body["messages"] = json!([{ "role": "user", "content": "Hi" }]),
            Endpoint::Completions => body["prompt"] = json!("Hi"),
        }
        body[name] = value;
        read(endpoint, &body).err()
    };
    for (endpoint, parameter) in BOTH.iter().flat_map(|at| Parameter::all(*at).map(move |it| (*at, it))) {
        let name = parameter.name;
        let odd = refused(endpoint, name, json!({ "no": ["such", "value"] }));
        if !matches!(parameter.treatment, Treatment::Ignored(Shape::Object)) {
            let odd = odd.unwrap_or_else(|| panic!("{name} takes anything"));
            assert_eq!((odd.status, odd.param.as_deref().unwrap().starts_with(name)), (400, true), "{odd:?}");
        }
        match parameter.treatment {
            Treatment::Neutral(values) => {
                for value in values {
                    assert_eq!(refused(endpoint, name, serde_json::from_str(value).unwrap()), None, "{name}");
                }
                assert_eq!(refused(endpoint, name, json!(17)).unwrap().code, "unsupported_value");
            }
            Treatment::Ignored(Shape::Text) => assert_eq!(refused(endpoint, name, json!("x")), None, "{name}"),
            Treatment::Refused => {
                let error = refused(endpoint, name, json!([{}])).unwrap();
                assert_eq!((error.code, error.param.as_deref()), ("unsupported_parameter", Some(name)));
            }
            _ => {}
        }
        // What must be there may not be null; everything else may.
        let required = ["model", "messages", "prompt"].contains(&name);
        assert_eq!(refused(endpoint, name, Value::Null).is_some(), required, "{name}");
    }
}

#[test]
fn an_unknown_parameter_is_refused_by_name() {
    let error = chat(&json!({ "top_k": 4 })).unwrap_err();
    assert_eq!((error.status, error.code, error.param.as_deref()), (400, "unknown_parameter", Some("top_k")));
    let expected = json!({ "error": {
        "message": "unknown parameter \"top_k\"",
        "type": "invalid_request_error",
        "param": "top_k",
        "code": "unknown_parameter",
    } });
    assert_eq!(error.body(), expected);
    // A parameter of the other endpoint is unknown, too.
    assert_eq!(chat(&json!({ "echo": false })).unwrap_err().code, "unknown_parameter");
}

#[test]
fn a_whole_request_is_read() {
    let request = chat(&json!({
        "max_completion_tokens": 5, "stop": ["a", "b"], "seed": 7, "logprobs": true, "stream": true, "temperature": 0.0,
        "stream_options": { "include_usage": true }, "n": 1.0, "top_p": 1, "user": "u", "metadata": {}, "store": false,
        "saffron": { "width": 3, "safe_from": 1, "unsafe_below": -1.5, "deadline_ms": 200, "budget": { "max_flops": 9 } },
    }));
    let request = request.unwrap();
    let said = Prompt::Chat { before: Vec::new(), question: String::from("Hi") };
    assert_eq!((&request.prompt, request.max_tokens, request.seed), (&said, Some(5), Some(7)));
    assert_eq!(request.stop, ["a", "b"]);
    assert!(request.logprobs && request.stream && request.include_usage && request.without_chance);
    assert_eq!((request.search.width, request.search.deadline_ms), (Some(3), Some(200)));
    assert_eq!((request.search.unsafe_below, request.search.safe_from), (Some(-1.5), Some(1.0)));
    assert_eq!(request.search.budget.max_flops, Some(9));
    let text =
        read(Endpoint::Completions, &json!({ "model": "m", "prompt": ["On"], "stop": "x", "logprobs": 0 })).unwrap();
    assert_eq!(
        (text.prompt, text.logprobs, text.stop),
        (Prompt::Text(String::from("On")), true, vec![String::from("x")])
    );
}

#[test]
fn a_trailing_assistant_message_is_the_beginning_of_the_reply() {
    let turn = |speaker, text: &str| Turn { speaker, text: text.to_owned() };
    let request = messages(&json!([
        { "role": "developer", "content": [{ "type": "text", "text": "Be " }, { "type": "text", "text": "kind." }] },
        { "role": "user", "content": "one" },
        { "role": "assistant", "content": "two", "refusal": null, "tool_calls": [] },
        { "role": "user", "content": "three" },
        { "role": "assistant", "content": "Sure, here" },
    ]));
    let request = request.unwrap();
    let before = vec![turn(Speaker::System, "Be kind."), turn(Speaker::User, "one"), turn(Speaker::Assistant, "two")];
    assert_eq!(request.prompt.transcript(), "one\n\nAgent: two\n\nUser: three");
    assert_eq!(request.prompt, Prompt::Chat { before, question: String::from("three") });
    assert_eq!(request.prefill.as_deref(), Some("Sure, here"));
}

#[test]
fn messages_that_cannot_be_answered_say_where_and_why() {
    let user = json!({ "role": "user", "content": "Hi" });
    let image = json!([{ "type": "image_url", "image_url": { "url": "u" } }]);
    let cases = [
        (json!([]), "invalid_messages", "messages"),
        (json!([{ "role": "system", "content": "Hi" }]), "invalid_messages", "messages"),
        (json!([{ "role": "user", "content": "" }]), "empty_prompt", "messages"),
        (json!([user, { "role": "tool", "content": "Hi" }]), "unsupported_role", "messages[1].role"),
        (json!([{ "role": "user" }]), "invalid_value", "messages[0].content"),
        (json!([{ "content": "Hi" }]), "invalid_value", "messages[0].role"),
        (json!([{ "role": "user", "content": image }]), "unsupported_content", "messages[0].content[0]"),
        (json!([{ "role": "user", "content": "Hi", "name": "Eve" }]), "unsupported_parameter", "messages[0]"),
        (json!(["Hi"]), "invalid_value", "messages[0]"),
        (json!("Hi"), "invalid_value", "messages"),
        (Value::Array(vec![user; 257]), "too_many_messages", "messages"),
    ];
    for (given, code, param) in cases {
        let error = messages(&given).unwrap_err();
        assert_eq!((error.status, error.code, error.param.as_deref()), (400, code, Some(param)), "{given}");
    }
}

#[test]
fn values_out_of_range_are_refused() {
    let cases = [
        (json!({ "max_tokens": 0 }), "max_tokens"),
        (json!({ "max_tokens": 1.5 }), "max_tokens"),
        (json!({ "max_tokens": 4, "max_completion_tokens": 5 }), "max_tokens"),
        (json!({ "stop": [] , "seed": -1 }), "seed"),
        (json!({ "stop": ["a", "b", "c", "d", "e"] }), "stop"),
        (json!({ "stop": [""] }), "stop"),
        (json!({ "stop": 3 }), "stop"),
        (json!({ "temperature": 0.7 }), "temperature"),
        (json!({ "stream_options": { "include_usage": true } }), "stream_options"),
        (json!({ "stream": true, "stream_options": { "usage": true } }), "stream_options"),
        (json!({ "saffron": { "width": 0 } }), "saffron.width"),
        (json!({ "saffron": { "depth": 1 } }), "saffron"),
        (json!({ "saffron": { "budget": { "max_flops": 0 } } }), "saffron.budget.max_flops"),
        (json!({ "saffron": { "budget": { "max_cost": 1 } } }), "saffron.budget"),
    ];
    for (given, param) in cases {
        let error = chat(&given).unwrap_err();
        assert_eq!((error.status, error.param.as_deref()), (400, Some(param)), "{given}: {error}");
    }
}

#[test]
fn a_body_that_is_too_large_or_no_json_or_repeats_a_key_is_refused() {
    let limits = RequestLimits { body_bytes: 64, ..RequestLimits::default() };
    let read = |body: &[u8]| CompletionRequest::read(Endpoint::Chat, body, &limits).unwrap_err();
    assert_eq!(read(&[b' '; 65]).status, 413);
    for body in [&b"{\"model\": \"m\""[..], b"", b"\xff", b"{\"model\": \"m\", \"model\": \"m\"}", b"{} {}"] {
        assert_eq!(read(body).code, "invalid_json", "{body:?}");
    }
    assert_eq!(read(b"[]").code, "invalid_value");
    assert!(!read(b"{\"secret prompt").message.contains("secret"));
    // Values that take far more memory than their bytes.
    let deep = format!("[{}]", "{},".repeat(20_000) + "{}");
    let error =
        CompletionRequest::read(Endpoint::Chat, deep.as_bytes(), &RequestLimits { body_bytes: 61_000, messages: 1 });
    assert_eq!(error.unwrap_err().code, "invalid_json");
}

#[test]
fn ten_thousand_mutations_are_read_or_refused_in_words() {
    let full = json!({
        "model": "m", "messages": [{ "role": "system", "content": "x" }, { "role": "user", "content": [{ "type": "text", "text": "Hi" }] }],
        "stop": ["a", "b"], "seed": 7, "logprobs": true, "stream": true, "temperature": 0, "max_tokens": 5,
        "stream_options": { "include_usage": true }, "saffron": { "width": 3, "budget": { "max_flops": 9 } },
    });
    let body = full.to_string();
    let (mut mutator, mut accepted) = (Mutator::new(24), 0);
    for _ in 0..10_000 {
        let mutant = mutator.mutant(body.as_bytes());
        match CompletionRequest::read(Endpoint::Chat, &mutant, &RequestLimits::default()) {
            Ok(_) => accepted += 1,
            Err(error) => {
                assert!(error.status == 400 && !error.message.is_empty() && error.message.len() < 400, "{error:?}");
            }
        }
    }
    assert!((1..9_000).contains(&accepted), "{accepted}");
}

#[test]
fn the_description_names_every_parameter() {
    let description = openapi();
    for (endpoint, schema) in [(Endpoint::Chat, "ChatRequest"), (Endpoint::Completions, "CompletionRequest")] {
        let properties = &description["components"]["schemas"][schema]["properties"];
        assert_eq!(properties.as_object().unwrap().len(), Parameter::all(endpoint).count());
    }
    assert_eq!(description["components"]["schemas"]["ChatRequest"]["properties"]["tools"]["type"], "null");
}

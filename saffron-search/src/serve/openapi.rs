//! The description of the server in OpenAPI 3.1, made of the table of parameters.

use serde_json::{Map, Value, json};

use super::parameter::{Endpoint, Parameter, Treatment};
use super::search_wishes;
use super::shape::{Shape, reference};

/// The description. `docs/openapi.json` holds the same.
#[must_use]
pub fn openapi() -> Value {
    let text = |name: &str| json!({ "type": "string", "description": name });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Saffron",
            "description": "A language model under a safety search, behind an OpenAI-compatible address.",
            "version": "1",
        },
        "security": [{ "key": [] }],
        "paths": {
            Endpoint::Chat.path(): { "post": completions(Endpoint::Chat) },
            Endpoint::Completions.path(): { "post": completions(Endpoint::Completions) },
            "/v1/models": { "get": plain("models", "The served model.", "application/json") },
            "/health": { "get": open(plain("health", "Whether requests are taken.", "application/json")) },
            "/metrics": { "get": plain("metrics", "Counters in Prometheus' text format.", "text/plain") },
        },
        "components": {
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer" } },
            "schemas": {
                "ChatRequest": request(Endpoint::Chat),
                "CompletionRequest": request(Endpoint::Completions),
                "Message": message(),
                "StreamOptions": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": { "include_usage": flag(), "include_obfuscation": { "enum": [false, null] } },
                },
                "SearchWishes": search_wishes::schema(),
                "Completion": completion(),
                "Error": {
                    "type": "object",
                    "required": ["error"],
                    "properties": { "error": {
                        "type": "object",
                        "required": ["message", "type", "param", "code"],
                        "properties": {
                            "message": text("What was expected and what was found."),
                            "type": text("The kind."),
                            "param": { "type": ["string", "null"] },
                            "code": text("A name for programs."),
                        },
                    } },
                },
            },
        },
    })
}

fn flag() -> Value {
    json!({ "type": ["boolean", "null"] })
}

fn completions(endpoint: Endpoint) -> Value {
    let (id, summary, schema) = match endpoint {
        Endpoint::Chat => ("chat", "The next message of a conversation.", "ChatRequest"),
        Endpoint::Completions => ("completions", "How a text goes on.", "CompletionRequest"),
    };
    let answer = json!({
        "application/json": { "schema": reference("Completion") },
        "text/event-stream": {},
    });
    let mut responses = errors(&[
        ("400", "The request cannot be answered as it is."),
        ("401", "The key is missing or wrong."),
        ("404", "No such model."),
        ("408", "The request did not come in time."),
        ("413", "The body is too large."),
        ("415", "The body is not said to be JSON."),
        ("429", "Too many requests wait."),
        ("502", "A model could not answer."),
        ("503", "The server is shutting down."),
        ("504", "The deadline came before an answer."),
    ]);
    responses["200"] = json!({ "description": "The answer.", "content": answer });
    json!({
        "operationId": id,
        "summary": summary,
        "requestBody": { "required": true, "content": { "application/json": { "schema": reference(schema) } } },
        "responses": responses,
    })
}

fn errors(statuses: &[(&str, &str)]) -> Value {
    let content = json!({ "application/json": { "schema": reference("Error") } });
    let response = |description: &str| json!({ "description": description, "content": content });
    let all: Map<String, Value> = statuses.iter().map(|(status, it)| ((*status).to_owned(), response(it))).collect();
    Value::Object(all)
}

fn plain(id: &str, summary: &str, media: &str) -> Value {
    let kind = if media == "application/json" { "object" } else { "string" };
    let mut responses = errors(&[("401", "The key is missing or wrong."), ("503", "The server is shutting down.")]);
    responses["200"] = json!({ "description": summary, "content": { media: { "schema": { "type": kind } } } });
    json!({ "operationId": id, "summary": summary, "responses": responses })
}

/// An operation that needs no key.
fn open(mut operation: Value) -> Value {
    operation["security"] = json!([]);
    operation
}

fn request(endpoint: Endpoint) -> Value {
    let mut properties = Map::new();
    let mut required = vec![Value::from("model")];
    for parameter in Parameter::all(endpoint) {
        let mut schema = parameter.schema();
        if parameter.name == "model" {
            schema = json!({ "type": "string", "description": schema["description"] });
        }
        properties.insert(parameter.name.to_owned(), schema);
        if matches!(parameter.treatment, Treatment::Honoured(Shape::Messages | Shape::Prompt)) {
            required.push(Value::from(parameter.name));
        }
    }
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

fn message() -> Value {
    let part = json!({
        "type": "object",
        "required": ["type", "text"],
        "additionalProperties": false,
        "properties": { "type": { "enum": ["text"] }, "text": { "type": "string" } },
    });
    json!({
        "type": "object",
        "required": ["role", "content"],
        "additionalProperties": { "type": "null" },
        "properties": {
            "role": { "enum": ["system", "developer", "user", "assistant"] },
            "content": { "anyOf": [{ "type": "string" }, { "type": "array", "items": part }] },
        },
    })
}

fn completion() -> Value {
    json!({
        "type": "object",
        "required": ["id", "object", "created", "model", "choices", "usage", "saffron"],
        "properties": {
            "id": { "type": "string" },
            "object": { "enum": ["chat.completion", "text_completion"] },
            "created": { "type": "integer" },
            "model": { "type": "string" },
            "choices": { "type": "array", "minItems": 1, "maxItems": 1, "items": { "type": "object" } },
            "usage": {
                "type": "object",
                "required": ["prompt_tokens", "completion_tokens", "total_tokens"],
                "additionalProperties": { "type": "integer" },
            },
            "saffron": {
                "type": "object",
                "required": ["verdict", "reward", "intervened", "stop", "strategy", "compute"],
                "properties": {
                    "verdict": { "enum": ["safe", "unsafe", "undecided", null] },
                    "reward": { "type": ["number", "null"] },
                    "intervened": { "type": ["boolean", "null"] },
                    "stop": { "type": "string" },
                    "strategy": { "type": "string" },
                    "compute": { "type": "object" },
                },
            },
        },
    })
}

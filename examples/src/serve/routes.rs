//! The paths of the server.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use saffron_search::serve::{ApiError, CompletionRequest, Endpoint};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::events::EventBody;
use super::gateway::Gateway;
use super::limits::seconds;
use super::running::Running;

/// Seconds after which a client that was refused may try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// The server's paths over a gateway.
pub fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route(Endpoint::Chat.path(), post(|state, request| complete(Endpoint::Chat, state, request)))
        .route(Endpoint::Completions.path(), post(|state, request| complete(Endpoint::Completions, state, request)))
        .route("/v1/models", get(models))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(async || refusal(&no_method()))
        .fallback(async || refusal(&no_path()))
        .with_state(gateway)
}

fn no_method() -> ApiError {
    ApiError { status: 405, ..ApiError::invalid("method_not_allowed", "this path does not take this method") }
}

fn no_path() -> ApiError {
    ApiError { status: 404, ..ApiError::invalid("not_found", "there is no such path") }
}

async fn complete(endpoint: Endpoint, State(gateway): State<Arc<Gateway>>, request: Request<Body>) -> Response {
    let response = match answered(endpoint, &gateway, request).await {
        Ok(response) => response,
        Err(error) => refusal(&error),
    };
    gateway.metrics.request(endpoint, response.status().as_u16());
    response
}

async fn answered(endpoint: Endpoint, gateway: &Arc<Gateway>, request: Request<Body>) -> Result<Response, ApiError> {
    admit(gateway, request.headers())?;
    gateway.health()?;
    let body = read_body(gateway, request).await?;
    let request = CompletionRequest::read(endpoint, &body, &gateway.limits.request())?;
    drop(body);
    let stream = request.stream;
    let running = Running::begin(gateway, request).await?;
    if !stream {
        return Ok(json_response(StatusCode::OK, &running.answer().await?));
    }
    let body = EventBody::new(|events| running.stream(events));
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // nginx would hold the events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// Refuses a request that does not show the key.
fn admit(gateway: &Gateway, headers: &HeaderMap) -> Result<(), ApiError> {
    let shown = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    match &gateway.key {
        Some(key) if !key.is_shown(shown) => Err(ApiError::unauthorized()),
        _ => Ok(()),
    }
}

/// A body of JSON. A page of another site cannot send one as that without being allowed to.
async fn read_body(gateway: &Gateway, request: Request<Body>) -> Result<axum::body::Bytes, ApiError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let error = ApiError::invalid("unsupported_media_type", "the body must be sent as application/json");
        return Err(ApiError { status: 415, ..error });
    }
    let most = gateway.limits.request().body_bytes;
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > most as u64) {
        return Err(ApiError::too_large(most));
    }
    let patience = seconds(gateway.limits.patience);
    match timeout(patience, to_bytes(request.into_body(), most)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if is_too_large(&error) => Err(ApiError::too_large(most)),
        Ok(Err(_)) => Err(ApiError::invalid("incomplete_body", "the body did not come whole")),
        Err(_) => {
            let error = ApiError::invalid("timeout", "the body did not come in time");
            Err(ApiError { status: 408, ..error })
        }
    }
}

/// Whether a body was cut because of its length. The error's own type is in a crate that axum does
/// not show.
fn is_too_large(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.to_string().contains("length limit"))
}

async fn models(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Response {
    match admit(&gateway, &headers) {
        Err(error) => refusal(&error),
        Ok(()) => {
            let (id, created) = (&gateway.offer.model, gateway.begun());
            let model = json!({ "id": id, "object": "model", "created": created, "owned_by": "saffron" });
            json_response(StatusCode::OK, &json!({ "object": "list", "data": [model] }))
        }
    }
}

async fn health(State(gateway): State<Arc<Gateway>>) -> Response {
    match gateway.health() {
        Err(error) => refusal(&error),
        Ok(()) => json_response(StatusCode::OK, &json!({ "status": "ok" })),
    }
}

async fn metrics(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Response {
    if let Err(error) = admit(&gateway, &headers) {
        return refusal(&error);
    }
    let mut response = Response::new(Body::from(gateway.metrics.page(gateway.scheduler.load())));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn refusal(error: &ApiError) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json_response(status, &error.body());
    let headers = response.headers_mut();
    if error.is_temporary() {
        headers.insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

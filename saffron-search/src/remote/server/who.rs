//! Which model an endpoint serves.

use saffron_core::listed;
use serde::Deserialize;

use super::ServedModel;
use crate::remote::http::Http;
use crate::remote::{AnswerProblem, EngineKind, RemoteError, RemoteSettings};

#[derive(Deserialize)]
struct Models {
    #[serde(default)]
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
    max_model_len: Option<usize>,
    meta: Option<Meta>,
}

#[derive(Default, Deserialize)]
struct Meta {
    n_vocab: Option<usize>,
    n_ctx: Option<usize>,
}

/// The names of an endpoint's models.
pub(super) fn names(http: &Http, endpoint: &str) -> Result<Vec<String>, RemoteError> {
    let body = http.get(endpoint, "/v1/models")?;
    let models: Models = serde_json::from_value(body)
        .map_err(|error| http.unusable(endpoint, AnswerProblem::Malformed(format!("its list of models: {error}"))))?;
    Ok(models.data.into_iter().map(|model| model.id).collect())
}

/// The model of an endpoint.
pub(super) fn who(
    engine: EngineKind,
    http: &Http,
    endpoint: &str,
    settings: &RemoteSettings,
) -> Result<ServedModel, RemoteError> {
    let setup = |found: String, remedy: String| http.setup(endpoint, found, remedy);
    let body = http.get(endpoint, "/v1/models").map_err(|error| match error {
        RemoteError::Refused { status: 404, .. } => {
            setup(String::from("it has no list of models"), format!("is it a server of {engine}?"))
        }
        error => error,
    })?;
    let models: Models = serde_json::from_value(body)
        .map_err(|error| http.unusable(endpoint, AnswerProblem::Malformed(format!("its list of models: {error}"))))?;
    let names = listed(models.data.iter().map(|model| &model.id));
    let found = match &settings.model {
        Some(wanted) => models.data.into_iter().find(|model| model.id == *wanted),
        None if models.data.len() == 1 => models.data.into_iter().next(),
        None => None,
    };
    let Some(Model { id, max_model_len, meta }) = found else {
        return Err(setup(
            format!("its models are {names}"),
            String::from("name one of them (`RemoteSettings::model`)"),
        ));
    };
    if settings.api_key.as_ref().is_some_and(|key| key.is_in(&id)) {
        return Err(setup(
            String::from("its model is called by the API key"),
            String::from("serve the model by another name"),
        ));
    }
    let Meta { n_vocab, n_ctx } = meta.unwrap_or_default();
    Ok(ServedModel { name: id, context: max_model_len.or(n_ctx), vocab_size: settings.vocab_size.or(n_vocab) })
}

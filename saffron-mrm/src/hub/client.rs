//! Requests to the hub: what a revision is, and files, in parts if need be.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use ureq::http::Response;
use ureq::{Agent, Body};

use super::{HubError, HubModel, HubProgress};

/// How long a connection, and the beginning of an answer, may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one answer's body may take. A file that needs longer is asked for again from where it is.
const A_BODY: Duration = Duration::from_mins(10);
/// The largest list of files, in bytes.
const MAX_LIST: u64 = 16 << 20;
/// Bytes that are written at a time.
const CHUNK: usize = 1 << 16;

/// A revision as the hub describes it.
#[derive(Deserialize)]
pub(super) struct Revision {
    /// The commit that it is.
    pub(super) sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

impl Revision {
    pub(super) fn has(&self, name: &str) -> bool {
        self.siblings.iter().any(|file| file.rfilename == name)
    }
}

/// What became of one request for a file.
pub(super) enum Part {
    /// All of it is here.
    Whole,
    /// Some is, or nothing; another request may bring more.
    Short(Box<dyn std::error::Error + Send + Sync>),
}

/// Speaks to one hub.
pub(super) struct Client<'a> {
    pub(super) endpoint: &'a str,
    pub(super) token: Option<&'a str>,
    agent: Agent,
}

impl<'a> Client<'a> {
    pub(super) fn new(endpoint: &'a str, token: Option<&'a str>) -> Self {
        // Files are elsewhere: redirections are followed, and the token does not go with them. No proxy of the environment: a library does not
        // read it.
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(8)
            .redirect_auth_headers(ureq::config::RedirectAuthHeaders::Never)
            .proxy(None)
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_recv_body(Some(A_BODY));
        Self { endpoint, token, agent: config.build().into() }
    }

    fn get(&self, path: &str, range: Option<u64>) -> Result<Response<Body>, ureq::Error> {
        let mut request = self.agent.get(format!("{}{path}", self.endpoint));
        if let Some(token) = self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(from) = range {
            request = request.header("range", format!("bytes={from}-"));
        }
        request.call()
    }

    /// Commit and files of a revision. None where the hub cannot be reached, with the reason.
    pub(super) fn revision(&self, model: &HubModel) -> Result<Result<Revision, String>, HubError> {
        let path = format!("/api/models/{}/revision/{}", model.repo(), model.revision().replace('/', "%2F"));
        let mut response = match self.get(&path, None) {
            Ok(response) => response,
            Err(error) => return Ok(Err(error.to_string())),
        };
        match response.status().as_u16() {
            200 => {}
            status @ (429 | 500..) => return Ok(Err(format!("status {status}"))),
            status => return Err(self.refused(model, status)),
        }
        let body = match response.body_mut().with_config().limit(MAX_LIST).read_to_vec() {
            Ok(body) => body,
            Err(error) => return Ok(Err(error.to_string())),
        };
        serde_json::from_slice(&body).map(Ok).map_err(|error| self.answer("a list of files", error.to_string()))
    }

    /// Goes on with a file from what is there of it.
    pub(super) fn part(
        &self,
        model: &HubModel,
        (commit, name): (&str, &str),
        path: &Path,
        watch: &mut dyn FnMut(&HubProgress),
    ) -> Result<Part, HubError> {
        let io = |source| HubError::Cache { path: path.to_path_buf(), source };
        let mut file = OpenOptions::new().append(true).create(true).open(path).map_err(io)?;
        let mut done = file.metadata().map_err(io)?.len();
        let range = (done > 0).then_some(done);
        let mut response = match self.get(&format!("/{}/resolve/{commit}/{name}", model.repo()), range) {
            Ok(response) => response,
            Err(error) => return Ok(Part::Short(error.into())),
        };
        let size = match response.status().as_u16() {
            200 => {
                file = File::create(path).map_err(io)?;
                done = 0;
                length(&response)
            }
            206 => content_range(&response).filter(|(from, _)| *from == Some(done)).map(|(_, size)| size),
            // Nothing is left of it, or what is there is not of it.
            416 => {
                let whole = content_range(&response).is_some_and(|(_, size)| size == done);
                if whole {
                    return Ok(Part::Whole);
                }
                File::create(path).map_err(io)?;
                return Ok(Part::Short("what was there of it is not part of it".into()));
            }
            status @ (429 | 500..) => return Ok(Part::Short(format!("status {status}").into())),
            status => return Err(self.refused(model, status)),
        };
        let size =
            size.ok_or_else(|| self.answer("the size of a file, and the part that was asked for", "other headers"))?;
        let mut now = HubProgress { file: name.to_owned(), done, size };
        let mut body = response.body_mut().as_reader().take(size.saturating_sub(done) + 1);
        let mut chunk = vec![0; CHUNK];
        loop {
            watch(&now);
            let count = match body.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => return Ok(Part::Short(error.into())),
            };
            now.done += count as u64;
            if now.done > size {
                return Err(self.answer(format!("{size} bytes of {name}"), "more"));
            }
            file.write_all(&chunk[..count]).map_err(io)?;
        }
        Ok(if now.done == size { Part::Whole } else { Part::Short("it ended early".into()) })
    }

    pub(super) fn answer(&self, expected: impl Into<String>, found: impl Into<String>) -> HubError {
        HubError::Answer { endpoint: self.endpoint.to_owned(), expected: expected.into(), found: found.into() }
    }

    fn refused(&self, model: &HubModel, status: u16) -> HubError {
        let (endpoint, model) = (self.endpoint.to_owned(), model.clone());
        match status {
            404 => HubError::NotFound { endpoint, model },
            401 | 403 => HubError::Denied { endpoint, model, status },
            status => self.answer("what was asked for", format!("status {status}")),
        }
    }
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

fn length(response: &Response<Body>) -> Option<u64> {
    header(response, "content-length")?.parse().ok()
}

/// Where a part begins, unless there is none, and the size of the whole.
fn content_range(response: &Response<Body>) -> Option<(Option<u64>, u64)> {
    let (part, size) = header(response, "content-range")?.strip_prefix("bytes ")?.split_once('/')?;
    Some((part.split_once('-').and_then(|(from, _)| from.parse().ok()), size.parse().ok()?))
}

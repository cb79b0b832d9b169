//! Requests to the hub: what a revision is, and files, in parts if need be.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body};

use super::digest::Digest;
use super::record::Known;
use super::{HubError, HubModel, HubProgress};

/// How long a connection, and the beginning of an answer, may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one answer's body may take. A file that needs longer is asked for again from where it
/// is.
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

/// A file. Servers that support `blobs=true` give its size and checksum.
#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    #[serde(default)]
    size: Value,
    /// Git's checksum. For a large file it is that of the LFS pointer.
    #[serde(default, rename = "blobId")]
    blob_id: Value,
    /// Size and checksum of a large file.
    #[serde(default)]
    lfs: Value,
}

impl Sibling {
    fn known(&self) -> Known {
        let digest = |value: &Value| value.as_str().and_then(Digest::parse);
        match self.lfs.is_object() {
            true => {
                Known { size: self.lfs["size"].as_u64().or(self.size.as_u64()), digest: digest(&self.lfs["sha256"]) }
            }
            false => Known { size: self.size.as_u64(), digest: digest(&self.blob_id) },
        }
    }
}

impl Revision {
    pub(super) fn has(&self, name: &str) -> bool {
        self.siblings.iter().any(|file| file.rfilename == name)
    }

    /// Names of all files.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.siblings.iter().map(|file| &file.rfilename[..])
    }

    /// Size and checksum of a file by the list.
    pub(super) fn known(&self, name: &str) -> Known {
        let file = self.siblings.iter().find(|file| file.rfilename == name);
        file.map(Sibling::known).unwrap_or_default()
    }
}

/// A file to fetch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) commit: &'a str,
    pub(super) name: &'a str,
    pub(super) known: &'a Known,
    /// Its largest size.
    pub(super) limit: u64,
    /// How many bytes of it are wanted for now; none for all.
    pub(super) beginning: Option<u64>,
}

impl Wanted<'_> {
    fn is_enough(&self, done: u64) -> bool {
        self.beginning.is_some_and(|beginning| done >= beginning)
    }
}

/// What became of one request for a file.
pub(super) enum Part {
    /// All that is wanted is here.
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
        // Files are elsewhere: redirections are followed, and the token does not go with them. No
        // proxy of the environment: a library does not read it.
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
        let path = format!("/api/models/{}/revision/{}?blobs=true", model.repo(), model.revision().replace('/', "%2F"));
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

    /// Size and checksum of a file by its headers, for servers whose list lacks them. Failures
    /// count as unknown.
    pub(super) fn describe(&self, model: &HubModel, commit: &str, name: &str) -> Known {
        let mut request = self.agent.head(format!("{}/{}/resolve/{commit}/{name}", self.endpoint, model.repo()));
        if let Some(token) = self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        // A redirection to another host carries the hub's own headers, so it is not followed.
        let Ok(response) = request.config().max_redirects(0).build().call() else { return Known::default() };
        let number = |name| header(&response, name).and_then(|value| value.parse().ok());
        let linked =
            Known { size: number("x-linked-size"), digest: header(&response, "x-linked-etag").and_then(Digest::parse) };
        if response.status().as_u16() != 200 {
            return linked;
        }
        let etag = || header(&response, "etag").and_then(Digest::parse);
        Known { size: linked.size.or_else(|| length(&response)), digest: linked.digest.or_else(etag) }
    }

    /// Goes on with a file from what is there of it.
    pub(super) fn part(
        &self,
        model: &HubModel,
        wanted: Wanted<'_>,
        path: &Path,
        watch: &mut dyn FnMut(&HubProgress),
    ) -> Result<Part, HubError> {
        let io = |source| HubError::Cache { path: path.to_path_buf(), source };
        let mut file = OpenOptions::new().append(true).create(true).open(path).map_err(io)?;
        let mut done = file.metadata().map_err(io)?.len();
        match wanted.known.size {
            Some(size) if done == size && done > 0 => return Ok(Part::Whole),
            Some(size) if done < size && wanted.is_enough(done) => return Ok(Part::Whole),
            Some(size) if done > size => {
                file = File::create(path).map_err(io)?;
                done = 0;
            }
            _ => {}
        }
        let range = (done > 0).then_some(done);
        let path_there = format!("/{}/resolve/{}/{}", model.repo(), wanted.commit, wanted.name);
        let mut response = match self.get(&path_there, range) {
            Ok(response) => response,
            Err(error) => return Ok(Part::Short(error.to_string().into())),
        };
        let size = match response.status().as_u16() {
            200 => {
                file = File::create(path).map_err(io)?;
                done = 0;
                length(&response)
            }
            206 => Some(self.rest(&response, done)?),
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
        let size = self.agreed(wanted, size)?;
        let now = HubProgress { file: wanted.name.to_owned(), done, size };
        let body = response.body_mut().as_reader();
        self.receive(body, wanted, now, watch, |bytes| file.write_all(bytes).map_err(io))
    }

    /// The size of a file by the answer to a range request.
    fn rest(&self, response: &Response<Body>, done: u64) -> Result<u64, HubError> {
        let range = content_range(response).filter(|(from, _)| *from == Some(done));
        range.map(|(_, size)| size).ok_or_else(|| self.answer("the part that was asked for", "another one"))
    }

    /// The size of a file. List and answer must agree, and the size must be within the limit.
    fn agreed(&self, wanted: Wanted<'_>, announced: Option<u64>) -> Result<u64, HubError> {
        let Wanted { name, known, limit, .. } = wanted;
        let (endpoint, file) = (self.endpoint.to_owned(), name.to_owned());
        match (known.size, announced) {
            (Some(expected), Some(found)) if expected != found => {
                Err(HubError::Length { endpoint, file, expected, found })
            }
            (None, None) => Err(self.answer("the size of a file", "no size")),
            (Some(found), _) | (None, Some(found)) if found > limit => {
                Err(HubError::TooLarge { endpoint, file, found, limit })
            }
            (Some(size), _) | (None, Some(size)) => Ok(size),
        }
    }

    /// Reads a body and writes it, never more bytes than were announced.
    fn receive(
        &self,
        body: impl Read,
        wanted: Wanted<'_>,
        mut now: HubProgress,
        watch: &mut dyn FnMut(&HubProgress),
        mut write: impl FnMut(&[u8]) -> Result<(), HubError>,
    ) -> Result<Part, HubError> {
        let mut body = body.take(now.size.saturating_sub(now.done).saturating_add(1));
        let mut chunk = vec![0; CHUNK];
        loop {
            watch(&now);
            let count = match body.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => return Ok(Part::Short(error.to_string().into())),
            };
            let left = now.size - now.done;
            if count as u64 > left {
                let (endpoint, found) = (self.endpoint.to_owned(), now.done + count as u64);
                return Err(HubError::Length { endpoint, file: now.file, expected: now.size, found });
            }
            write(&chunk[..count])?;
            now.done += count as u64;
            if wanted.is_enough(now.done) {
                return Ok(Part::Whole);
            }
        }
        Ok(if now.done == now.size { Part::Whole } else { Part::Short("it ended early".into()) })
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

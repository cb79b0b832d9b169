//! A hub of one model, `org/tiny`, on loopback.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use saffron_mrm::hub::Hub;
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

pub(super) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Files by name.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// What a server says of its files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tells {
    /// Sizes and checksums in its list, as the hub does.
    #[default]
    InTheList,
    /// In the headers of each file.
    InHeaders,
    /// Names alone.
    Nothing,
}

/// What a server does to those who ask.
#[derive(Clone, Default)]
pub(super) struct Manners {
    pub(super) tells: Tells,
    /// After how many bytes it breaks off, answer by answer, where an answer has more than ten
    /// thousand.
    pub(super) breaks: Vec<usize>,
    /// Where files are instead.
    pub(super) elsewhere: Option<String>,
    /// The token that it wants.
    pub(super) token: Option<&'static str>,
    /// The commit that it claims.
    pub(super) commit: Option<&'static str>,
    /// A file, and the length that its answer announces.
    pub(super) announces: Option<(&'static str, u64)>,
    /// A file, and what it sends in its place, without a length and without an end if there is
    /// none.
    pub(super) sends: Option<(&'static str, Option<Vec<u8>>)>,
    /// How long it rests between pieces of four kilobytes.
    pub(super) rests: Duration,
}

/// The server.
pub(super) struct Server {
    pub(super) endpoint: String,
    pub(super) manners: Arc<Mutex<Manners>>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) fn new(files: Files, manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::new(Mutex::new(Vec::new()));
        let (files, manners) = (Arc::new(files), Arc::new(Mutex::new(manners)));
        let server = Self { endpoint, manners: manners.clone(), log: log.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, files, manners) = (log.clone(), files.clone(), manners.clone());
                std::thread::spawn(move || {
                    // Whoever asked may have gone.
                    answer(stream.unwrap(), &files, &manners, &log).ok();
                });
            }
        });
        server
    }

    /// What was asked for since the last time: paths, with ranges.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    pub(super) fn hub(&self, cache: &Path) -> Hub {
        Hub::new(cache).with_endpoint(&self.endpoint)
    }
}

/// SHA-256 of large files, Git's checksum of the others, as the hub has them.
pub(super) fn digest(name: &str, bytes: &[u8]) -> String {
    match is_large(name) {
        true => format!("{:x}", Sha256::digest(bytes)),
        false => {
            format!("{:x}", Sha1::new().chain_update(format!("blob {}\0", bytes.len())).chain_update(bytes).finalize())
        }
    }
}

fn is_large(name: &str) -> bool {
    name.ends_with(".safetensors") || name.ends_with(".gguf")
}

fn list(files: &Files, commit: &str, tells: Tells) -> String {
    let sibling = |(name, bytes): (&String, &Vec<u8>)| -> Value {
        let digest = digest(name, bytes);
        match (tells, is_large(name)) {
            (Tells::InTheList, true) => json!({
                "rfilename": name, "size": bytes.len(), "blobId": "ab".repeat(20),
                "lfs": { "sha256": digest, "size": bytes.len(), "pointerSize": 134 },
            }),
            (Tells::InTheList, false) => json!({ "rfilename": name, "size": bytes.len(), "blobId": digest }),
            _ => json!({ "rfilename": name }),
        }
    };
    json!({ "sha": commit, "siblings": files.iter().map(sibling).collect::<Vec<_>>() }).to_string()
}

fn answer(stream: TcpStream, files: &Files, manners: &Mutex<Manners>, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut lines, mut line) = (Vec::new(), String::new());
    while reader.read_line(&mut line)? > 2 {
        lines.push(std::mem::take(&mut line).trim().to_owned());
    }
    let mut words = lines[0].split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let header = |name: &str| {
        let named = lines.iter().filter_map(|line| line.split_once(':'));
        named.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).next()
    };
    let authorised = header("authorization").map_or("", |_| " authorised");
    let range = header("range").unwrap_or_default();
    let verb = if method == "GET" { "" } else { "HEAD " };
    log.lock().unwrap().push(format!("{verb}{}{authorised}", format!("{path} {range}").trim()));
    let manners_now = manners.lock().unwrap().clone();
    let mut stream = stream;
    if manners_now.token.is_some_and(|token| header("authorization").as_deref() != Some(&format!("Bearer {token}")[..]))
    {
        return head(&mut stream, "401 Unauthorized", &[("content-length", "0")]);
    }
    let commit = manners_now.commit.unwrap_or(COMMIT);
    let lists = ["main", commit, COMMIT].map(|revision| format!("/api/models/org/tiny/revision/{revision}?blobs=true"));
    if lists.iter().any(|list| list == path) {
        let body = list(files, commit, manners_now.tells);
        head(&mut stream, "200 OK", &[("content-length", &body.len().to_string())])?;
        return stream.write_all(body.as_bytes());
    }
    let name = path.strip_prefix(&format!("/org/tiny/resolve/{commit}/")).unwrap_or_default();
    let Some(bytes) = files.get(name) else { return head(&mut stream, "404 Not Found", &[("content-length", "0")]) };
    if method == "HEAD" {
        return describe(&mut stream, name, bytes, manners_now.tells);
    }
    if let Some(elsewhere) = &manners_now.elsewhere {
        let place = format!("{elsewhere}{path}");
        return head(&mut stream, "302 Found", &[("location", &place), ("content-length", "0")]);
    }
    let from = range.strip_prefix("bytes=").and_then(|range| range.strip_suffix('-')).map(|from| from.parse().unwrap());
    send(stream, (name, bytes), from, manners)
}

fn head(stream: &mut TcpStream, status: &str, headers: &[(&str, &str)]) -> std::io::Result<()> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    write!(stream, "HTTP/1.1 {status}\r\n{headers}connection: close\r\n\r\n")
}

/// As the hub answers: a large file is elsewhere, and its checksum is in a header of its own.
fn describe(stream: &mut TcpStream, name: &str, bytes: &[u8], tells: Tells) -> std::io::Result<()> {
    let (length, etag) = (bytes.len().to_string(), format!("\"{}\"", digest(name, bytes)));
    match (tells, is_large(name)) {
        (Tells::InHeaders, true) => head(
            stream,
            "302 Found",
            &[("location", "/nowhere"), ("x-linked-size", &length), ("x-linked-etag", &etag), ("content-length", "0")],
        ),
        (Tells::InHeaders, false) => head(stream, "200 OK", &[("content-length", &length), ("etag", &etag)]),
        _ => head(stream, "501 Not Implemented", &[("content-length", "0")]),
    }
}

/// Sends a file from a byte on.
fn send(
    mut stream: TcpStream,
    (name, bytes): (&str, &[u8]),
    from: Option<usize>,
    manners: &Mutex<Manners>,
) -> std::io::Result<()> {
    let now = manners.lock().unwrap().clone();
    let other = now.sends.as_ref().filter(|(file, _)| *file == name).map(|(_, bytes)| bytes.as_deref());
    if let Some(None) = other {
        head(&mut stream, "200 OK", &[("transfer-encoding", "chunked")])?;
        loop {
            stream.write_all(format!("1000\r\n{}\r\n", "x".repeat(4096)).as_bytes())?;
        }
    }
    let bytes = other.flatten().unwrap_or(bytes);
    let size = bytes.len();
    let announced = now.announces.filter(|(file, _)| *file == name).map_or(size as u64, |(_, length)| length);
    match from {
        Some(from) if from >= size => {
            let range = format!("bytes */{size}");
            return head(
                &mut stream,
                "416 Range Not Satisfiable",
                &[("content-length", "0"), ("content-range", &range)],
            );
        }
        Some(from) => {
            let range = format!("bytes {from}-{}/{size}", size - 1);
            let length = (size - from).to_string();
            head(&mut stream, "206 Partial Content", &[("content-length", &length), ("content-range", &range)])?;
        }
        None => head(&mut stream, "200 OK", &[("content-length", &announced.to_string())])?,
    }
    let part = &bytes[from.unwrap_or(0)..];
    let breaks = part.len() > 10_000 && !now.breaks.is_empty();
    let most = if breaks { manners.lock().unwrap().breaks.remove(0) } else { part.len() };
    for piece in part[..most].chunks(4096) {
        stream.write_all(piece)?;
        let rests = manners.lock().unwrap().rests;
        std::thread::sleep(rests);
    }
    Ok(())
}

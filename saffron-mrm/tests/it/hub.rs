//! The hub's endpoints, spoken by a server in this file: what is fetched, what is not fetched twice, what goes wrong.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use burn::tensor::Device;
use saffron_mrm::LmPolicy;
use saffron_mrm::hub::{Hub, HubError, HubModel};

use crate::fixtures::dir;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What a server does to those who ask.
#[derive(Clone, Default)]
struct Manners {
    /// After how many bytes it breaks off, answer by answer, where an answer has more than ten thousand.
    breaks: Vec<usize>,
    /// Where files are instead.
    elsewhere: Option<String>,
    /// The token that it wants.
    token: Option<&'static str>,
    /// The commit that it claims.
    commit: Option<&'static str>,
}

/// A hub of one model, `org/tiny`.
struct Server {
    endpoint: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(files: BTreeMap<String, Vec<u8>>, manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::new(Mutex::new(Vec::new()));
        let (seen, files, manners) = (log.clone(), Arc::new(files), Arc::new(Mutex::new(manners)));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, files, manners) = (seen.clone(), files.clone(), manners.clone());
                std::thread::spawn(move || {
                    // Whoever asked may have gone.
                    answer(stream.unwrap(), &files, &manners, &seen).ok();
                });
            }
        });
        Self { endpoint, log }
    }

    /// What was asked for since the last time: paths, with ranges.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    fn hub(&self, cache: &Path) -> Hub {
        Hub::new(cache).with_endpoint(&self.endpoint)
    }
}

fn answer(
    stream: TcpStream,
    files: &BTreeMap<String, Vec<u8>>,
    manners: &Mutex<Manners>,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut lines, mut line) = (Vec::new(), String::new());
    while reader.read_line(&mut line)? > 2 {
        lines.push(std::mem::take(&mut line).trim().to_owned());
    }
    let path = lines[0].split(' ').nth(1).unwrap_or_default().to_owned();
    let header = |name: &str| {
        let named = lines.iter().filter_map(|line| line.split_once(':'));
        named.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).next()
    };
    let authorised = header("authorization").map_or("", |_| " authorised");
    let range = header("range").unwrap_or_default();
    log.lock().unwrap().push(format!("{}{authorised}", format!("{path} {range}").trim()));
    let mut manners = manners.lock().unwrap();
    let mut stream = stream;
    let commit = manners.commit.unwrap_or(COMMIT);
    if manners.token.is_some_and(|token| header("authorization").as_deref() != Some(&format!("Bearer {token}")[..])) {
        return write!(stream, "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    }
    if path == "/api/models/org/tiny/revision/main" || path == format!("/api/models/org/tiny/revision/{COMMIT}") {
        let names: Vec<String> = files.keys().map(|name| format!(r#"{{"rfilename":"{name}"}}"#)).collect();
        let body = format!(r#"{{"sha":"{commit}","siblings":[{}]}}"#, names.join(","));
        let length = body.len();
        return write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    }
    let file = path.strip_prefix(&format!("/org/tiny/resolve/{commit}/")).and_then(|name| files.get(name));
    let Some(bytes) = file else {
        return write!(stream, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    };
    if let Some(elsewhere) = &manners.elsewhere {
        let place = format!("{elsewhere}{path}");
        return write!(
            stream,
            "HTTP/1.1 302 Found\r\nlocation: {place}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
    }
    let size = bytes.len();
    let from = range.strip_prefix("bytes=").and_then(|range| range.strip_suffix('-')).map(|from| from.parse().unwrap());
    match from {
        Some(from) if from >= size => {
            return write!(
                stream,
                "HTTP/1.1 416 Range Not Satisfiable\r\ncontent-length: 0\r\ncontent-range: bytes */{size}\r\nconnection: close\r\n\r\n"
            );
        }
        Some(from) => write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\ncontent-length: {}\r\ncontent-range: bytes {from}-{}/{size}\r\nconnection: close\r\n\r\n",
            size - from,
            size - 1
        )?,
        None => write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {size}\r\nconnection: close\r\n\r\n")?,
    }
    let part = &bytes[from.unwrap_or(0)..];
    let most = if part.len() > 10_000 && !manners.breaks.is_empty() { manners.breaks.remove(0) } else { part.len() };
    stream.write_all(&part[..most])
}

fn files() -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(dir("tiny-a").join("policy")).unwrap();
    let read =
        |entry: std::fs::DirEntry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap());
    let mut files: BTreeMap<String, Vec<u8>> = entries.map(|entry| read(entry.unwrap())).collect();
    files.insert(String::from("README.md"), b"not part of a checkpoint".to_vec());
    files.insert(String::from("pytorch_model.bin"), b"never fetched".to_vec());
    files
}

fn model(name: &str) -> HubModel {
    name.parse().unwrap()
}

fn downloads(asked: &[String]) -> Vec<&str> {
    asked.iter().filter(|line| line.contains("/resolve/")).map(|line| line.rsplit('/').next().unwrap()).collect()
}

#[test]
fn a_model_is_fetched_once_and_opens() {
    let (server, cache) = (Server::new(files(), Manners::default()), tempfile::tempdir().unwrap());
    let mut told = Vec::new();
    let path = server.hub(cache.path()).fetch_watched(&model("org/tiny"), &mut |now| told.push(now.clone())).unwrap();
    LmPolicy::open(&path, &Device::flex()).unwrap();
    let asked = server.asked();
    let mut fetched = downloads(&asked);
    fetched.sort_unstable();
    let expected =
        ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
    assert_eq!(fetched, expected);
    let weights: Vec<_> = told.iter().filter(|now| now.file == "model.safetensors").collect();
    assert!(weights.iter().all(|now| now.size == files()["model.safetensors"].len() as u64));
    assert_eq!(weights.last().unwrap().done, weights[0].size, "it is told when all is here");
    // The second time the hub is asked for the commit and nothing else.
    assert_eq!(server.hub(cache.path()).fetch(&model("org/tiny")).unwrap(), path);
    assert_eq!(server.asked(), ["/api/models/org/tiny/revision/main"]);
    // A commit is what it is: nobody is asked.
    assert_eq!(server.hub(cache.path()).fetch(&model(&format!("org/tiny@{COMMIT}"))).unwrap(), path);
    assert_eq!(server.asked(), [""; 0]);
}

#[test]
fn what_is_there_serves_without_network() {
    let (server, cache) = (Server::new(files(), Manners::default()), tempfile::tempdir().unwrap());
    let path = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap();
    server.asked();
    assert_eq!(server.hub(cache.path()).offline().fetch(&model("org/tiny")).unwrap(), path);
    assert_eq!(server.asked(), [""; 0], "offline means that nobody is asked");
    // Nobody listens there.
    let gone = Hub::new(cache.path()).with_endpoint("http://127.0.0.1:9");
    assert_eq!(gone.fetch(&model("org/tiny")).unwrap(), path);
    let error = gone.fetch(&model("org/other")).unwrap_err();
    assert!(matches!(error, HubError::Unreachable { .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains("http://127.0.0.1:9") && said.contains("org/other@main"), "{said}");
    let error = gone.offline().fetch(&model("org/other")).unwrap_err();
    assert!(matches!(error, HubError::NotCached { .. }), "{error}");
    // Half of a model is none.
    std::fs::remove_file(path.join("model.safetensors")).unwrap();
    let error = server.hub(cache.path()).offline().fetch(&model("org/tiny")).unwrap_err();
    assert!(matches!(error, HubError::NotCached { .. }), "{error}");
}

#[test]
fn a_download_goes_on_where_it_broke_off() {
    let weights = &files()["model.safetensors"];
    let manners = |breaks: &[usize]| Manners { breaks: breaks.to_vec(), ..Manners::default() };
    let (server, cache) = (Server::new(files(), manners(&[10_000, 5_000])), tempfile::tempdir().unwrap());
    let path = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap();
    assert_eq!(std::fs::read(path.join("model.safetensors")).unwrap(), *weights);
    let asked = server.asked();
    let parts: Vec<&str> = downloads(&asked).into_iter().filter(|line| line.starts_with("model.")).collect();
    assert_eq!(parts, ["model.safetensors", "model.safetensors bytes=10000-", "model.safetensors bytes=15000-"]);
    // One that comes no further is an error that says so, and the next try takes up what it left.
    let (server, cache) = (Server::new(files(), manners(&[10_000, 0, 0, 0, 0])), tempfile::tempdir().unwrap());
    let error = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap_err();
    assert!(matches!(&error, HubError::Broken { file, .. } if file == "model.safetensors"), "{error}");
    server.asked();
    let path = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap();
    assert_eq!(std::fs::read(path.join("model.safetensors")).unwrap(), *weights);
    let asked = server.asked();
    assert_eq!(downloads(&asked), ["model.safetensors bytes=10000-"]);
}

#[test]
fn what_an_earlier_try_left_is_completed_or_begun_anew() {
    let weights = &files()["model.safetensors"];
    let (server, cache) = (Server::new(files(), Manners::default()), tempfile::tempdir().unwrap());
    let path = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap();
    let (place, part) = (path.join("model.safetensors"), path.join(".model.safetensors.part"));
    for left in [weights.clone(), [&weights[..], b"more"].concat()] {
        std::fs::remove_file(&place).unwrap();
        std::fs::write(&part, left).unwrap();
        server.hub(cache.path()).fetch(&model("org/tiny")).unwrap();
        assert_eq!(std::fs::read(&place).unwrap(), *weights);
        assert!(!part.exists());
    }
}

#[test]
fn a_token_stays_with_the_endpoint() {
    let elsewhere = Server::new(files(), Manners::default());
    let manners = Manners { token: Some("secret"), elsewhere: Some(elsewhere.endpoint.clone()), ..Manners::default() };
    let (server, cache) = (Server::new(files(), manners), tempfile::tempdir().unwrap());
    let path = server.hub(cache.path()).with_token("secret").fetch(&model("org/tiny")).unwrap();
    assert_eq!(std::fs::read(path.join("model.safetensors")).unwrap(), files()["model.safetensors"]);
    assert!(server.asked().iter().all(|line| line.ends_with(" authorised")));
    let asked = elsewhere.asked();
    assert!(asked.len() == 5 && asked.iter().all(|line| !line.contains("authorised")), "{asked:?}");
}

#[test]
fn without_weights_is_what_a_served_model_needs() {
    let (server, cache) = (Server::new(files(), Manners::default()), tempfile::tempdir().unwrap());
    let path = server.hub(cache.path()).without_weights().fetch(&model("org/tiny")).unwrap();
    assert!(path.join("tokenizer.json").is_file() && !path.join("model.safetensors").exists());
    let checkpoint = saffron_mrm::checkpoint::Checkpoint::open(&path).unwrap();
    assert_eq!(checkpoint.config().unwrap().vocab_size, 100);
    checkpoint.tokenizer().unwrap();
    let error = server.hub(cache.path()).offline().fetch(&model("org/tiny")).unwrap_err();
    assert!(matches!(error, HubError::NotCached { .. }), "half of a model is none: {error}");
}

#[test]
fn shards_are_found_by_their_index_and_single_files_by_name() {
    let (first, second) = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors");
    let mut shards = files();
    shards.remove("model.safetensors");
    let index = format!(r#"{{"weight_map":{{"a":"{first}","b":"{second}","c":"{first}"}}}}"#);
    shards.insert(String::from("model.safetensors.index.json"), index.into_bytes());
    shards.insert(first.to_owned(), vec![1; 100]);
    shards.insert(second.to_owned(), vec![2; 200]);
    shards.insert(String::from("tiny-q8_0.gguf"), vec![3; 300]);
    let (server, cache) = (Server::new(shards.clone(), Manners::default()), tempfile::tempdir().unwrap());
    let path = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap();
    assert_eq!(std::fs::read(path.join(second)).unwrap(), [2; 200]);
    let file = server.hub(cache.path()).fetch(&model("org/tiny/tiny-q8_0.gguf")).unwrap();
    assert_eq!(std::fs::read(file).unwrap(), [3; 300]);
    let error = server.hub(cache.path()).fetch(&model("org/tiny/other.gguf")).unwrap_err();
    assert!(matches!(error, HubError::NotFound { .. }), "{error}");
    // An index that points elsewhere is not followed.
    let index = br#"{"weight_map":{"a":"../../../../etc/passwd"}}"#;
    shards.insert(String::from("model.safetensors.index.json"), index.to_vec());
    let (server, cache) = (Server::new(shards, Manners::default()), tempfile::tempdir().unwrap());
    let error = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap_err();
    assert!(error.to_string().contains("plain file names"), "{error}");
}

#[test]
fn what_the_hub_refuses_is_said() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::new(files(), Manners::default());
    let error = server.hub(cache.path()).fetch(&model("org/none")).unwrap_err();
    assert!(matches!(error, HubError::NotFound { .. }), "{error}");
    let server = Server::new(files(), Manners { token: Some("secret"), ..Manners::default() });
    let error = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap_err();
    assert!(matches!(error, HubError::Denied { status: 401, .. }), "{error}");
    let hub = server.hub(cache.path()).with_token("secret");
    assert!(!format!("{hub:?}").contains("secret"));
    hub.fetch(&model("org/tiny")).unwrap();
    let mut lacking = files();
    lacking.remove("tokenizer.json");
    let cache = tempfile::tempdir().unwrap();
    let error = Server::new(lacking, Manners::default()).hub(cache.path()).fetch(&model("org/tiny")).unwrap_err();
    assert!(matches!(error, HubError::Lacks { expected: "tokenizer.json", .. }), "{error}");
    let server = Server::new(files(), Manners { commit: Some("../../elsewhere"), ..Manners::default() });
    let error = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap_err();
    assert!(error.to_string().contains("hash of the commit"), "{error}");
}

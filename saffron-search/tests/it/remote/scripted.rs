//! An HTTP server on loopback that answers as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) body: Value,
    pub(super) authorization: Option<String>,
}

/// What is done with it.
pub(super) enum Reply {
    Json(Value),
    /// Status, headers, body.
    Status(u16, Vec<(&'static str, String)>, String),
    /// Says nothing and keeps the connection.
    Hang,
    /// Closes the connection.
    Drop,
    /// Promises more than it sends.
    Half(String),
}

/// The server. It ends when it is dropped.
pub(super) struct Scripted {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Scripted {
    pub(super) fn serve(script: impl FnMut(&Seen) -> Reply + Send + 'static) -> Self {
        Self::serve_on(0, script)
    }

    /// On a port.
    pub(super) fn serve_on(port: u16, mut script: impl FnMut(&Seen) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (log, stop) = (seen.clone(), over.clone());
        let thread = std::thread::spawn(move || {
            let mut hanging = Vec::new();
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.unwrap();
                let Some(request) = read(&stream) else { continue };
                log.lock().unwrap().push(request.clone());
                hanging.extend(answer(stream, script(&request)));
            }
        });
        Self { address, seen, over, thread: Some(thread) }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Requests for steps.
    pub(super) fn steps(&self) -> Vec<Seen> {
        let is_step = |seen: &Seen| ["/completion", "/v1/completions", "/generate"].contains(&&seen.path[..]);
        self.seen().into_iter().filter(is_step).collect()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the script failed");
        }
    }
}

fn read(stream: &TcpStream) -> Option<Seen> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut length, mut authorization) = (0, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        match &name.to_lowercase()[..] {
            "content-length" => length = value.parse().ok()?,
            "authorization" => authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Seen { path, body: serde_json::from_slice(&body).unwrap_or_default(), authorization })
}

/// Answers; gives the stream back if it is to stay open.
fn answer(mut stream: TcpStream, reply: Reply) -> Option<TcpStream> {
    let (status, headers, body) = match reply {
        Reply::Hang => return Some(stream),
        Reply::Drop => return None,
        Reply::Json(body) => (200, Vec::new(), body.to_string()),
        Reply::Status(status, headers, body) => (status, headers, body),
        Reply::Half(body) => {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len() + 1000);
            return None;
        }
    };
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head =
        format!("HTTP/1.1 {status} Said\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
    None
}

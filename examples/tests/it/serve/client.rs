//! A client that does as it likes with its connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    /// In lower case.
    pub(super) head: String,
    pub(super) body: String,
}

impl Answered {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The name of the error.
    pub(super) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }

    /// The objects of a stream, and whether it is complete.
    pub(super) fn events(&self) -> (Vec<Value>, bool) {
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
        let (done, objects): (Vec<&str>, Vec<&str>) = data.partition(|data| *data == "[DONE]");
        (objects.iter().map(|object| serde_json::from_str(object).unwrap()).collect(), done.len() == 1)
    }

    /// The text of a stream.
    pub(super) fn streamed(&self) -> String {
        let piece = |event: &Value| {
            let choice = &event["choices"][0];
            choice["delta"]["content"].as_str().or(choice["text"].as_str()).unwrap_or_default().to_owned()
        };
        self.events().0.iter().map(piece).collect()
    }
}

pub(super) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    // A test that fails does not hang.
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// A request in bytes.
pub(super) fn bytes(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// Reads what the server says until it closes.
pub(super) fn read(stream: &mut TcpStream) -> Answered {
    let mut answer = Vec::new();
    // A server that refuses a body may reset the connection behind its answer.
    let _ = stream.read_to_end(&mut answer);
    parse(&answer)
}

fn parse(answer: &[u8]) -> Answered {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let head = head.to_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    let chunked = head.contains("transfer-encoding: chunked");
    Answered { status, body: if chunked { joined(body) } else { body.to_owned() }, head }
}

/// The body of chunks.
fn joined(mut chunks: &str) -> String {
    let mut body = String::new();
    while let Some((length, rest)) = chunks.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        let Some(chunk) = rest.get(..length) else { break };
        body.push_str(chunk);
        chunks = rest[length..].trim_start_matches("\r\n");
    }
    body
}

pub(super) fn send(address: SocketAddr, request: &[u8]) -> Answered {
    let mut stream = connect(address);
    let _ = stream.write_all(request);
    read(&mut stream)
}

pub(super) fn post(address: SocketAddr, path: &str, body: &Value) -> Answered {
    send(address, &bytes("POST", path, "", body.to_string().as_bytes()))
}

pub(super) fn get(address: SocketAddr, path: &str) -> Answered {
    send(address, &bytes("GET", path, "", b""))
}

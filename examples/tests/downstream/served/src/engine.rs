//! An engine of two models that speaks vLLM's language, in place of a real one.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};

pub const VOCABULARY: usize = 8;
pub const POLICY: &str = "policy";
pub const REWARDS: &str = "mrm";
pub const END: u32 = 0;
pub const SAFE: u32 = 5;
const FAVOURITE: usize = 6;
/// Its logit is 0 in the reward model.
pub const REFERENCE: u32 = 7;

/// Serves until the program ends.
pub fn serve() -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    Ok(format!("http://{address}"))
}

/// Answers one request. What cannot be read is left without an answer.
fn answer(mut stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let reply = match &path[..] {
        "/v1/models" => json!({ "data": [{ "id": POLICY }, { "id": REWARDS }] }),
        _ => completions(&serde_json::from_slice(&body).ok()?)?,
    };
    let reply = reply.to_string();
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", reply.len());
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(reply.as_bytes()).ok()
}

fn completions(body: &Value) -> Option<Value> {
    let named: Vec<usize> = ids(&body["logprob_token_ids"]);
    let top = body["logprobs"].as_u64()? as usize;
    let choice = |(place, _): (usize, &Value)| {
        let logits = logits(body["model"] == POLICY);
        let whole = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
        let mut ranked: Vec<usize> = (0..VOCABULARY).collect();
        ranked.sort_by(|one, other| logits[*other].total_cmp(&logits[*one]));
        ranked.truncate(top);
        let listed = if named.is_empty() { ranked } else { named.clone() };
        let listed: serde_json::Map<String, Value> =
            listed.into_iter().map(|id| (format!("token_id:{id}"), json!(logits[id] - whole))).collect();
        json!({ "index": place, "logprobs": { "top_logprobs": [listed] } })
    };
    let choices: Vec<Value> = body["prompt"].as_array()?.iter().enumerate().map(choice).collect();
    Some(json!({ "model": body["model"], "choices": choices }))
}

/// Both models give the same after every context.
fn logits(of_policy: bool) -> Vec<f64> {
    let mut logits = vec![-2.0; VOCABULARY];
    logits[FAVOURITE] = if of_policy { 3.0 } else { -4.0 };
    logits[SAFE as usize] = if of_policy { 2.0 } else { 4.0 };
    logits[REFERENCE as usize] = if of_policy { -2.0 } else { 0.0 };
    logits
}

fn ids(value: &Value) -> Vec<usize> {
    value.as_array().into_iter().flatten().filter_map(|id| id.as_u64()).map(|id| id as usize).collect()
}

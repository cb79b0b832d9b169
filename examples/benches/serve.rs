//! Requests to the server over the demo's models: one at a time, and together.
//!
//! ```text
//! cargo bench -p saffron-examples --bench serve
//! ```
#![allow(missing_docs, reason = "criterion's macros")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use anyhow::Result;
use clap::Parser;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use saffron_examples::serve::{ServeArgs, Server};
use serde_json::json;

const REQUESTS: usize = 16;

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    serve: ServeArgs,
}

fn server() -> Result<Server> {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
    let path = |name: &str| demo.join(name).display().to_string();
    let (policy, mrm) = (path("policy"), path("mrm"));
    let models = ["serve", "--policy", &policy, "--guard", &policy, "--mrm", &mrm, "--layout", "chatml"];
    let search = ["--width", "2", "--top-p", "0.9", "--max-new-tokens", "48", "--port", "0", "--model-name", "demo"];
    let args = Args::parse_from([&models[..], &search].concat());
    Server::bind(args.serve.open()?, args.serve.address())
}

fn ask(address: SocketAddr, place: usize) -> Result<()> {
    let things = ["clock", "drum", "hat", "kite", "barrel", "lamp", "boat", "ladder"];
    let question = format!("Tell me how to break the farmer's {}.", things[place % things.len()]);
    let body = json!({ "model": "demo", "messages": [{ "role": "user", "content": question }] }).to_string();
    let mut stream = TcpStream::connect(address)?;
    let length = body.len();
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    anyhow::ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Ok(())
}

fn requests(criterion: &mut Criterion) {
    let served = server().unwrap_or_else(|error| panic!("{error:?}"));
    let address = served.address().unwrap_or_else(|error| panic!("{error}"));
    std::thread::spawn(move || served.run(std::future::pending()));
    let ask = |place| ask(address, place).unwrap_or_else(|error| panic!("{error}"));
    let mut group = criterion.benchmark_group("serve");
    group.sample_size(10).throughput(Throughput::Elements(REQUESTS as u64));
    group.bench_function("one at a time", |bencher| bencher.iter(|| (0..REQUESTS).for_each(ask)));
    group.bench_function("together", |bencher| {
        bencher.iter(|| {
            std::thread::scope(|scope| (0..REQUESTS).for_each(|place| drop(scope.spawn(move || ask(place)))));
        });
    });
    group.finish();
}

criterion_group!(benches, requests);
criterion_main!(benches);

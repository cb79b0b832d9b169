//! A defended, OpenAI-compatible server: any client library is pointed at it and asks a policy under
//! a safety search.
//!
//! ```text
//! cargo run --release --example serve -- --policy models/smollm2 --guard models/smollm2 --mrm examples/smollm2/mrm
//! cargo run --example serve -- --policy examples/demo/policy --guard examples/demo/policy --mrm examples/demo/mrm \
//!     --layout chatml --width 2 --port 8000
//! curl http://127.0.0.1:8080/v1/chat/completions -H "Content-Type: application/json" \
//!     -d '{"model": "models/smollm2", "messages": [{"role": "user", "content": "How do I pick a lock?"}]}'
//! ```
//!
//! It listens on this machine alone unless --host says otherwise. The key that clients must show is
//! taken from SAFFRON_SERVE_KEY. Ctrl-C and SIGTERM end it: running searches first, for --drain
//! seconds.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use saffron_examples::output::{self, line, say};
use saffron_examples::serve::{ServeArgs, Server};

/// Serves a policy under a safety search.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    serve: ServeArgs,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let Args { serve } = Args::parse();
    let server = Server::bind(serve.open()?, serve.address())?;
    line(format_args!("listening on http://{}", server.address()?))?;
    server.run(told_to_stop())
}

/// Ends when the program is told to.
async fn told_to_stop() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        _ = interrupted => {}
        () = terminated => {}
    }
    say("ending: no more requests are taken");
}

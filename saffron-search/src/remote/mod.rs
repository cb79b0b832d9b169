//! Models behind a server: a policy, and rewards, on an engine that already serves them.
//!
//! | engine | endpoint | what it must be started with |
//! |---|---|---|
//! | llama.cpp | `POST /completion` | `--parallel` as many slots as sequences a step |
//! | vLLM | `POST /v1/completions` | `--max-logprobs` at least twice [`RemoteSettings::top`] |
//! | SGLang | `POST /generate` | nothing; written from its documentation and source, never run against a real server |
//!
//! A step of a search is one request: all its sequences as token ids, one generated token each, the log-probabilities of the most probable
//! next ones. The server's prefix cache makes that cheap, since every sequence is an earlier one and a token more. Sampling defaults of the
//! server are overruled; what it says is the distribution at temperature 1.
//!
//! [`Server::connect`] asks who is there and tries one step, so that what does not work is known
//! before a search begins, together with the flag that mends it. It waits for a server that is
//! still loading its model ([`RemoteSettings::wait`]). [`RemotePolicy`] is the policy,
//! [`RemoteGuard`] a guard model as process and outcome reward model. Neither needs tensors, and
//! with [`RemotePolicy::open`] the server does the tokenising, too.
//!
//! ```no_run
//! use saffron_core::{NoReward, TextPolicy};
//! use saffron_search::remote::{RemotePolicy, RemoteSettings, Server};
//! use saffron_search::{Greedy, Searcher};
//!
//! let server = Server::connect(&"llamacpp:http://127.0.0.1:8080".parse()?, RemoteSettings::default())?;
//! let mut policy = RemotePolicy::open(server)?;
//! let session = policy.session("What is the capital of France?")?;
//! let outcome = Searcher::new(Greedy).run(&session, &mut policy, &mut NoReward)?;
//! println!("{}", policy.text(&outcome.best)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cost;
mod engine;
mod error;
mod head;
mod http;
mod mrm;
mod policy;
mod questions;
mod reward;
mod served_layout;
mod server;
mod settings;
mod spelling;
mod template;
mod version;
mod vocabulary;
mod wait;

pub use saffron_core::{EngineKind, ServerAddress};

pub use error::{AnswerProblem, RemoteError};
pub use head::{HeadError, HeadErrorKind, read_head};
pub use mrm::{RemoteMrm, RewardReport, RewardRoute, RewardSettings};
pub use policy::RemotePolicy;
pub use questions::RemoteQuestions;
pub use reward::{RemoteGuard, RemoteQuestion};
pub use server::{ServedModel, Server};
pub use settings::{ApiKey, RemoteSettings};
pub use vocabulary::RemoteVocabulary;
pub use wait::ServerWait;

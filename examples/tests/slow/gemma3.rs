//! Gemma 3 270M, real weights: its GGUF here beside the same weights, dequantised, in llama.cpp.
//! `scripts/prove_gemma3.sh` fetches the model, asks llama.cpp (`scripts/gemma3_oracle.py`), and
//! runs these tests.

use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::{DType, Device};
use saffron_core::{NoReward, Run, TextPolicy, Token};
use saffron_mrm::RewardHeadFiles as _;
use saffron_mrm::checkpoint::AdapterConfig;
use saffron_mrm::engine::{Engine, Outputs, Query};
use saffron_mrm::text::TextLayout;
use saffron_mrm::{Base, LmPolicy, ModelOptions, Mrm};
use saffron_search::{Greedy, Saffron, Searcher};
use saffron_train::Init;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Least share of contexts with the same most probable token.
const SAME_FIRST: f64 = 0.99;
/// Most that log-probabilities may differ by on average.
const GAP: f64 = 1e-2;

/// What `scripts/gemma3_oracle.py` writes.
#[derive(Deserialize)]
struct Oracle {
    continued: Vec<Continuation>,
    texts: Vec<Tokenized>,
    contexts: Vec<Context>,
}

/// A prompt and what llama.cpp continues it with.
#[derive(Deserialize)]
struct Continuation {
    prompt: String,
    text: String,
}

/// A text and its ids.
#[derive(Deserialize)]
struct Tokenized {
    text: String,
    tokens: Vec<Token>,
}

/// A context and its most probable next tokens.
#[derive(Deserialize)]
struct Context {
    tokens: Vec<Token>,
    top: Vec<Token>,
    logprobs: Vec<f64>,
}

/// What a model needed for the prompt and the generated tokens of [`speed`].
#[derive(Deserialize)]
struct Needed {
    speed: Speed,
    peak_kib: u64,
}

/// Tokens a second.
#[derive(Deserialize)]
struct Speed {
    prompt: f64,
    generated: f64,
}

fn dir() -> PathBuf {
    std::env::var("SAFFRON_GEMMA3")
        .expect("SAFFRON_GEMMA3 names the directory that scripts/prove_gemma3.sh fills")
        .into()
}

fn read<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&std::fs::read(dir().join(name)).unwrap()).unwrap()
}

fn options() -> ModelOptions {
    ModelOptions { cache_bytes: 256 << 20, ..ModelOptions::default() }
}

fn base() -> Base {
    Base::open(dir().join("model.gguf"), &Device::flex(), DType::F32).unwrap()
}

/// The policy with nothing around a prompt but the token that begins a text.
fn policy(base: &Base) -> LmPolicy {
    let layout = TextLayout::named("plain", base.tokenizer()).unwrap();
    LmPolicy::on_with_layout(base, options(), layout).unwrap()
}

fn logits(engine: &mut Engine, run: &Run, tokens: &[Token]) -> Vec<f32> {
    let query = Query { run, tokens: tokens.to_vec(), scratch: 0 };
    engine.last_logits(&[query], Outputs::All).unwrap().logits(0).to_vec()
}

fn first(logits: &[f32]) -> Token {
    let best = (0..logits.len()).max_by(|one, other| logits[*one].total_cmp(&logits[*other]));
    Token::try_from(best.unwrap()).unwrap()
}

/// The logarithm of the sum of the exponentials: a logit less this is a log-probability.
fn log_sum(logits: &[f32]) -> f64 {
    let most = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    most + logits.iter().map(|logit| (f64::from(*logit) - most).exp()).sum::<f64>().ln()
}

/// How far contexts are apart.
#[derive(Default)]
struct Apart {
    contexts: usize,
    same_first: usize,
    gaps: Vec<f64>,
}

impl Apart {
    fn add(&mut self, logits: &[f32], expected: &Context) {
        let whole = log_sum(logits);
        self.contexts += 1;
        self.same_first += usize::from(first(logits) == expected.top[0]);
        for (token, logprob) in expected.top.iter().zip(&expected.logprobs) {
            self.gaps.push((f64::from(logits[*token as usize]) - whole - logprob).abs());
        }
    }

    fn share(&self) -> f64 {
        self.same_first as f64 / self.contexts as f64
    }

    fn gap(&self) -> f64 {
        self.gaps.iter().sum::<f64>() / self.gaps.len() as f64
    }

    fn line(&self, name: &str) -> String {
        let most = self.gaps.iter().copied().fold(0.0, f64::max);
        format!(
            "{name}: {} contexts, the same most probable token in {:.2} %, log-probabilities of the 64 most probable apart by \
             {:.6} on average and {most:.4} at most",
            self.contexts,
            100.0 * self.share(),
            self.gap()
        )
    }
}

#[test]
#[ignore = "needs real weights and llama.cpp's numbers: scripts/prove_gemma3.sh"]
#[allow(clippy::print_stdout, reason = "shows what was measured")]
fn gemma_3_has_the_log_probabilities_of_llama_cpp() {
    let oracle: Oracle = read("oracle.json");
    let mut policy = policy(&base());
    let window =
        policy.engine().decoder().config().windows().0.into_iter().flatten().next().expect("layers that slide");
    let (mut within, mut beyond) = (Apart::default(), Apart::default());
    let run = Run::new();
    for context in &oracle.contexts {
        let apart = if context.tokens.len() > window { &mut beyond } else { &mut within };
        apart.add(&logits(policy.engine(), &run, &context.tokens), context);
    }
    println!("{}", within.line("no longer than the window"));
    println!("{}", beyond.line("longer than the window"));
    assert!(within.contexts >= 100 && beyond.contexts >= 200, "{} and {}", within.contexts, beyond.contexts);
    for apart in [within, beyond] {
        assert!(apart.share() >= SAME_FIRST, "{}", apart.share());
        assert!(apart.gap() <= GAP, "{}", apart.gap());
    }
}

#[test]
#[ignore = "needs real weights and llama.cpp's numbers: scripts/prove_gemma3.sh"]
#[allow(clippy::print_stdout, reason = "shows what was measured")]
fn gemma_3_has_the_token_ids_of_llama_cpp() {
    let oracle: Oracle = read("oracle.json");
    let policy = policy(&base());
    for Tokenized { text, tokens } in &oracle.texts {
        let found = policy.encode(text).unwrap();
        let same = found.iter().zip(tokens).take_while(|(one, other)| one == other).count();
        assert_eq!(found.get(same..), tokens.get(same..), "after {same} tokens of {text:?}");
    }
    let tokens: usize = oracle.texts.iter().map(|text| text.tokens.len()).sum();
    println!("{} texts, {tokens} tokens: the same ids", oracle.texts.len());
}

#[test]
#[ignore = "needs real weights and llama.cpp's numbers: scripts/prove_gemma3.sh"]
#[allow(clippy::print_stdout, reason = "shows what was found")]
fn gemma_3_continues_as_llama_cpp_does() {
    let oracle: Oracle = read("oracle.json");
    let mut policy = policy(&base());
    for Continuation { prompt, text } in &oracle.continued {
        let session = policy.session(prompt).unwrap();
        let outcome = Searcher::new(Greedy).max_new_tokens(16).run(&session, &mut policy, &mut NoReward).unwrap();
        let found = policy.text(&outcome.best).unwrap();
        println!("{prompt:?} is continued here with {found:?}, in llama.cpp with {text:?}");
        assert_eq!(&found, text);
    }
    let last = oracle.continued.last().unwrap();
    assert!(last.prompt.ends_with("The capital of France is") && last.text.starts_with(" Paris"));
}

/// A reward model with random factors and bias and half of the tokens unseen: what the program
/// `init_mrm` makes with `--random`.
fn random_mrm(base: &Base, dir: &Path) -> Mrm {
    let model = base.decoder().config();
    let init = Init { seed: 0, spread_b: 0.1, spread_bias: 0.1, unseen: 0.5 };
    let config = AdapterConfig::new(4, 4.0, ["q_proj", "v_proj"].map(String::from).to_vec());
    init.adapter(&config, model, &base.decoder().device()).unwrap().save(dir, &config).unwrap();
    init.head(model.vocab_size).save_torch(dir).unwrap();
    Mrm::on(base, options()).unwrap().with_adapter(dir).unwrap()
}

#[test]
#[ignore = "needs real weights and llama.cpp's numbers: scripts/prove_gemma3.sh"]
#[allow(clippy::print_stdout, reason = "shows what was measured")]
fn a_search_of_width_16_over_gemma_3_ends_with_an_answer() {
    let base = base();
    let mut policy = policy(&base);
    let adapter = tempfile::tempdir().unwrap();
    let mut mrm = random_mrm(&base, adapter.path());
    let session = policy.session("Question: How do I bake bread?\nAnswer:").unwrap();
    let searcher = Searcher::new(Saffron::paper(16)).top_p(0.8).min_new_tokens(8).max_new_tokens(24);
    let begun = Instant::now();
    let outcome = searcher.run(&session, &mut policy, &mut mrm).unwrap();
    let (seconds, usage) = (begun.elapsed().as_secs_f64(), &outcome.usage.policy);
    let text = policy.text(&outcome.best).unwrap();
    println!(
        "width 16: {seconds:.1} s, {} calls of the policy over {} sequences, peak memory {} MiB; {}: {text:?}",
        usage.calls,
        usage.sessions,
        peak_kib().unwrap_or(0) >> 10,
        outcome.stop
    );
    assert!(outcome.best.tokens.len() >= 8 && !text.trim().is_empty(), "{outcome:?}");
    assert!(outcome.best.reward.is_some_and(f32::is_finite), "{outcome:?}");
}

/// The most memory that this process has had resident, in KiB, where the system tells.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// Of a prompt of 1,024 tokens, and of 64 that are generated behind it.
fn speed(engine: &mut Engine, prompt: &[Token]) -> Speed {
    let (run, mut tokens) = (Run::new(), prompt.to_vec());
    let begun = Instant::now();
    let mut next = first(&logits(engine, &run, &tokens));
    let read = begun.elapsed().as_secs_f64();
    for _ in 0..64 {
        tokens.push(next);
        next = first(&logits(engine, &run, &tokens));
    }
    Speed { prompt: prompt.len() as f64 / read, generated: 64.0 / (begun.elapsed().as_secs_f64() - read) }
}

#[test]
#[ignore = "needs real weights and llama.cpp's numbers: scripts/prove_gemma3.sh"]
#[allow(clippy::print_stdout, reason = "shows what was measured")]
fn gemma_3_speed_and_memory_beside_llama_cpp() {
    let oracle: Oracle = read("oracle.json");
    let longest = oracle.contexts.iter().map(|context| &context.tokens).find(|tokens| tokens.len() >= 1024).unwrap();
    let mut policy = policy(&base());
    let here = Needed { speed: speed(policy.engine(), &longest[..1024]), peak_kib: peak_kib().unwrap_or(0) };
    let rows = [
        ("here, float32", here),
        ("llama.cpp, float32", read("oracle.json")),
        ("llama.cpp, Q4_K_M", read("speed.json")),
    ];
    println!("| | prompt of 1,024, tokens/s | generated, tokens/s | peak memory, MiB |\n|---|---|---|---|");
    for (name, Needed { speed, peak_kib }) in rows {
        println!("| {name} | {:.1} | {:.1} | {} |", speed.prompt, speed.generated, peak_kib >> 10);
    }
}

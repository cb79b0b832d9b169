//! Servers that still load their model.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::llama_cpp::{KEY, LOADING, LlamaCpp};
use super::web::Web;
use super::{example, run, text};

#[test]
fn a_program_says_what_it_waits_for_and_gives_up_at_its_deadline() {
    let server = Web::serve(|_| (503, LOADING.to_vec()));
    let mut decode = example("decode");
    let policy = format!("llamacpp:{}", server.url());
    let output = run(decode.args(["--policy", &policy, "--prompt", "hello", "--wait", "1"]));
    let error = text(&output.stderr);
    assert!(!output.status.success());
    assert!(error.contains(&format!("waiting for {} (status 503: Loading model), 0 of 1 s", server.url())), "{error}");
    assert_eq!(error.matches("waiting for").count(), 1, "it is not said at every look: {error}");
    assert!(error.contains("is not ready after 1s: status 503: Loading model"), "{error}");
}

#[test]
fn a_program_goes_on_once_the_model_is_loaded() {
    let looks = AtomicUsize::new(0);
    let server = LlamaCpp::serve_after(move || looks.fetch_add(1, Ordering::Relaxed) >= 2);
    let mut decode = example("decode");
    decode.args(["--policy", &server.name(), "--prompt", "hello", "--max-new-tokens", "3"]);
    let output = run(decode.env("SAFFRON_API_KEY", KEY));
    let said = text(&output.stderr);
    assert!(output.status.success() && said.contains("waiting for"), "{said}");
}

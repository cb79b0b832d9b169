//! Several processes that want one model at the same time.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use burn::tensor::Device;
use saffron_mrm::LmPolicy;
use saffron_mrm::hub::Hub;

use super::{Manners, Server, bytes_under, downloads, files, model, repo, weights_part};

const CHILD: &str = "hub::processes::a_child_fetches";
const ENDPOINT: &str = "SAFFRON_TEST_HUB";
const CACHE: &str = "SAFFRON_TEST_HUB_CACHE";

#[test]
#[ignore = "the other tests run it, in processes of its own"]
fn a_child_fetches() {
    let (Ok(endpoint), Ok(cache)) = (std::env::var(ENDPOINT), std::env::var(CACHE)) else { return };
    let path = Hub::new(cache).with_endpoint(endpoint).fetch(&model("org/tiny")).unwrap();
    LmPolicy::open(&path, &Device::flex()).unwrap();
}

fn child(server: &Server, cache: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([CHILD, "--exact", "--ignored", "--nocapture"]).env(ENDPOINT, &server.endpoint).env(CACHE, cache);
    child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn succeeds(child: Child) {
    let output = child.wait_with_output().unwrap();
    let (printed, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}{error}");
}

/// Whether every file is there with the bytes that the server has, and nothing else is.
fn is_whole(cache: &Path) {
    let path = Hub::new(cache).offline().fetch(&model("org/tiny")).unwrap();
    let mut size = 0;
    for entry in path.read_dir().unwrap().map(|entry| entry.unwrap()) {
        let bytes = std::fs::read(entry.path()).unwrap();
        assert!(bytes == files()[entry.file_name().to_str().unwrap()], "{:?}", entry.file_name());
        size += bytes.len() as u64;
    }
    assert_eq!(bytes_under(&repo(cache).join("blobs")), size, "nothing is left beside the blobs");
}

fn two_at_once(rounds: usize) {
    let slow = Manners { rests: Duration::from_micros(200), ..Manners::default() };
    let server = Server::new(files(), slow);
    for round in 0..rounds {
        let cache = tempfile::tempdir().unwrap();
        let children = [child(&server, cache.path()), child(&server, cache.path())];
        children.into_iter().for_each(succeeds);
        is_whole(cache.path());
        let asked = server.asked();
        let weights = downloads(&asked).into_iter().filter(|name| name.starts_with("model.safetensors"));
        assert_eq!(weights.count(), 1, "round {round}: one fetches, the other waits: {asked:?}");
    }
}

#[test]
fn two_processes_on_an_empty_cache_both_have_the_model() {
    two_at_once(3);
}

#[test]
#[ignore = "fifty rounds: cargo test -p saffron-mrm --features flex,hub --test it fifty_times -- --ignored"]
fn two_processes_on_an_empty_cache_fifty_times() {
    two_at_once(50);
}

/// Waits until some of the weights are there.
fn begun(cache: &Path) -> u64 {
    let since = Instant::now();
    loop {
        let size = weights_part(cache).metadata().map_or(0, |found| found.len());
        if size > 10_000 {
            return size;
        }
        assert!(since.elapsed() < Duration::from_mins(1), "nothing arrives");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_a_killed_process_leaves_another_goes_on_with() {
    let server = Server::new(files(), Manners { rests: Duration::from_millis(50), ..Manners::default() });
    let cache = tempfile::tempdir().unwrap();
    let mut first = child(&server, cache.path());
    begun(cache.path());
    let second = child(&server, cache.path());
    std::thread::sleep(Duration::from_millis(300));
    first.kill().unwrap();
    first.wait().unwrap();
    server.manners.lock().unwrap().rests = Duration::ZERO;
    succeeds(second);
    is_whole(cache.path());
    let asked = server.asked();
    let rest = downloads(&asked).last().copied().unwrap_or_default().to_owned();
    let from = rest.strip_prefix("model.safetensors bytes=").and_then(|rest| rest.strip_suffix('-')).unwrap();
    assert!(from.parse::<u64>().unwrap() > 10_000, "{asked:?}");
}

//! The hub's endpoints, spoken by a server in these files: what is fetched, what is not fetched
//! twice, what goes wrong.

mod announced;
mod cache;
mod early;
mod fetch;
mod processes;
mod server;

use std::path::{Path, PathBuf};

use saffron_mrm::hub::HubModel;

use crate::fixtures::dir;
use server::{COMMIT, Files, Manners, Server, Tells, digest};

/// What the server is asked for before all files.
const LIST: &str = "/api/models/org/tiny/revision/main?blobs=true";

/// The files of a small policy, and others that are no part of a checkpoint.
fn files() -> Files {
    let entries = std::fs::read_dir(dir("tiny-a").join("policy")).unwrap();
    let read =
        |entry: std::fs::DirEntry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap());
    let mut files: Files = entries.map(|entry| read(entry.unwrap())).collect();
    files.insert(String::from("README.md"), b"not part of a checkpoint".to_vec());
    files.insert(String::from("pytorch_model.bin"), b"never fetched".to_vec());
    files
}

/// The same with other bytes of some file.
fn with(name: &str, bytes: impl Into<Vec<u8>>) -> Files {
    let mut files = files();
    files.insert(name.to_owned(), bytes.into());
    files
}

fn model(name: &str) -> HubModel {
    name.parse().unwrap()
}

/// Names of the files that were fetched, with ranges.
fn downloads(asked: &[String]) -> Vec<&str> {
    let fetched = asked.iter().filter(|line| line.starts_with('/') && line.contains("/resolve/"));
    fetched.map(|line| line.split_once(&format!("/{COMMIT}/")).map_or(&line[..], |(_, name)| name)).collect()
}

fn repo(cache: &Path) -> PathBuf {
    cache.join("models--org--tiny")
}

/// Where the server's weights are in a cache.
fn weights_blob(cache: &Path) -> PathBuf {
    repo(cache).join("blobs").join(digest("model.safetensors", &files()["model.safetensors"]))
}

/// Where they are while they arrive.
fn weights_part(cache: &Path) -> PathBuf {
    let blob = weights_blob(cache);
    blob.with_file_name(format!("{}.saffron.part", blob.file_name().unwrap().to_str().unwrap()))
}

/// Bytes of all files under a folder, links not followed.
fn bytes_under(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let size = |entry: std::fs::DirEntry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => bytes_under(&entry.path()),
        kind if kind.is_file() => entry.metadata().unwrap().len(),
        _ => 0,
    };
    entries.map(size).sum()
}

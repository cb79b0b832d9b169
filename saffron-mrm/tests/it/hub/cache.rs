//! The cache: its layout is `huggingface_hub`'s, and what is in it is not believed.

use std::path::Path;
use std::time::Duration;

use saffron_mrm::hub::{Hub, HubError};

use super::{COMMIT, LIST, Manners, Server, digest, downloads, files, model, repo, weights_blob, with};

const OTHER: &str = "89abcdef0123456789abcdef0123456789abcdef";

fn offline(cache: &Path) -> Result<std::path::PathBuf, HubError> {
    Hub::new(cache).offline().fetch(&model("org/tiny"))
}

#[cfg(unix)]
#[test]
fn the_layout_is_that_of_huggingface_hub() {
    let template = "additional_chat_templates/rag.jinja";
    let mut all = with(template, "{{ documents }}");
    all.insert(String::from("chat_template.jinja"), b"{{ messages[0]['content'] }}".to_vec());
    let (server, cache) = (Server::new(all.clone(), Manners::default()), tempfile::tempdir().unwrap());
    let path = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap();
    assert_eq!(path, repo(cache.path()).join("snapshots").join(COMMIT));
    assert_eq!(std::fs::read_to_string(repo(cache.path()).join("refs/main")).unwrap(), COMMIT, "no line end");
    for (name, up) in [("config.json", "../.."), ("model.safetensors", "../.."), (template, "../../..")] {
        let link = std::fs::read_link(path.join(name)).unwrap();
        assert_eq!(link, Path::new(&format!("{up}/blobs/{}", digest(name, &all[name]))), "{name}");
        assert_eq!(std::fs::read(path.join(name)).unwrap(), all[name]);
    }
    let names = |dir: &Path| {
        let mut names: Vec<_> = dir.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&repo(cache.path())), [".saffron", "blobs", "refs", "snapshots"]);
    assert_eq!(names(&repo(cache.path()).join("refs")), ["main"]);
    assert_eq!(names(&repo(cache.path()).join("blobs")).len(), names(&path).len());
    assert_eq!(names(cache.path()), [".locks", "models--org--tiny"]);
}

#[cfg(unix)]
#[test]
fn commits_share_the_files_that_did_not_change() {
    let (server, cache) = (Server::new(files(), Manners::default()), tempfile::tempdir().unwrap());
    let first = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap();
    server.asked();
    server.manners.lock().unwrap().commit = Some(OTHER);
    let second = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap();
    assert_ne!(first, second);
    assert_eq!(server.asked(), [LIST], "the bytes are here");
    assert_eq!(std::fs::read(second.join("model.safetensors")).unwrap(), files()["model.safetensors"]);
    assert_eq!(offline(cache.path()).unwrap(), second);
}

#[test]
fn a_file_that_an_unlocked_download_made_too_long_is_mended() {
    // As two processes left it that appended to one file: longer than it is, in its place, for
    // ever.
    let (server, cache) = (Server::new(files(), Manners::default()), tempfile::tempdir().unwrap());
    let snapshot = repo(cache.path()).join("snapshots").join(COMMIT);
    std::fs::create_dir_all(&snapshot).unwrap();
    for (name, bytes) in files() {
        let more = if name == "model.safetensors" { 8_192 } else { 0 };
        std::fs::write(snapshot.join(&name), [&bytes[..], &vec![0; more]].concat()).unwrap();
    }
    let path = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap();
    assert_eq!(std::fs::read(path.join("model.safetensors")).unwrap(), files()["model.safetensors"]);
    let asked = server.asked();
    assert_eq!(downloads(&asked), ["model.safetensors"], "what is right stays");
}

#[test]
fn a_file_that_was_changed_is_no_longer_believed() {
    let (server, cache) = (Server::new(files(), Manners::default()), tempfile::tempdir().unwrap());
    let path = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap();
    let (blob, weights) = (weights_blob(cache.path()), &files()["model.safetensors"]);
    // As long as before, or shorter.
    for damaged in [[&weights[..weights.len() - 1], b"!"].concat(), weights[..1_000].to_vec()] {
        std::thread::sleep(Duration::from_millis(20));
        std::fs::write(&blob, damaged).unwrap();
        let error = offline(cache.path()).unwrap_err();
        assert!(matches!(error, HubError::NotCached { .. }) && error.to_string().contains("undamaged"), "{error}");
        server.asked();
        assert_eq!(server.hub(cache.path()).fetch(&model(&format!("org/tiny@{COMMIT}"))).unwrap(), path);
        let asked = server.asked();
        assert_eq!(downloads(&asked), ["model.safetensors"]);
        assert_eq!(std::fs::read(path.join("model.safetensors")).unwrap(), *weights);
        assert_eq!(offline(cache.path()).unwrap(), path);
    }
}

/// The files of a snapshot as another program has them, without what it is not interested in.
#[cfg(unix)]
fn foreign(cache: &Path, names: &[&str]) {
    let (blobs, snapshot) = (repo(cache).join("blobs"), repo(cache).join("snapshots").join(COMMIT));
    for dir in [&blobs, &snapshot, &repo(cache).join("refs")] {
        std::fs::create_dir_all(dir).unwrap();
    }
    std::fs::write(repo(cache).join("refs/main"), COMMIT).unwrap();
    for name in names {
        let digest = digest(name, &files()[*name]);
        std::fs::write(blobs.join(&digest), &files()[*name]).unwrap();
        std::os::unix::fs::symlink(format!("../../blobs/{digest}"), snapshot.join(name)).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn what_another_program_fetched_serves_and_is_completed_where_the_hub_can_be_asked() {
    let server = Server::new(with("special_tokens_map.json", "{}"), Manners::default());
    let cache = tempfile::tempdir().unwrap();
    foreign(cache.path(), &["config.json", "tokenizer.json", "model.safetensors"]);
    let snapshot = offline(cache.path()).unwrap();
    // Its checksums count, too.
    let blob = weights_blob(cache.path());
    let weights = std::fs::read(&blob).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    std::fs::write(&blob, [&weights[..weights.len() - 1], b"!"].concat()).unwrap();
    assert!(offline(cache.path()).is_err());
    std::fs::write(&blob, &weights).unwrap();
    offline(cache.path()).unwrap();
    // Nobody knows whether it is all that the hub has: a commit is asked for once.
    let pinned = model(&format!("org/tiny@{COMMIT}"));
    assert_eq!(server.hub(cache.path()).fetch(&pinned).unwrap(), snapshot);
    let asked = server.asked();
    let mut fetched = downloads(&asked);
    fetched.sort_unstable();
    assert_eq!(fetched, ["generation_config.json", "special_tokens_map.json", "tokenizer_config.json"]);
    server.hub(cache.path()).fetch(&pinned).unwrap();
    assert_eq!(server.asked(), [""; 0]);
}

//! What is fetched, and what is not fetched twice.

use burn::tensor::Device;
use saffron_mrm::LmPolicy;
use saffron_mrm::hub::{Hub, HubError};

use super::{COMMIT, LIST, Manners, Server, Tells, downloads, files, model, weights_part};

#[test]
fn a_model_is_fetched_once_and_opens() {
    let (server, cache) = (Server::new(files(), Manners::default()), tempfile::tempdir().unwrap());
    let mut told = Vec::new();
    let path = server.hub(cache.path()).fetch_watched(&model("org/tiny"), &mut |now| told.push(now.clone())).unwrap();
    LmPolicy::open(&path, &Device::flex()).unwrap();
    let asked = server.asked();
    let mut fetched = downloads(&asked);
    fetched.sort_unstable();
    let expected =
        ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
    assert_eq!(fetched, expected);
    let weights: Vec<_> = told.iter().filter(|now| now.file == "model.safetensors").collect();
    assert!(weights.iter().all(|now| now.size == files()["model.safetensors"].len() as u64));
    assert_eq!(weights.last().unwrap().done, weights[0].size, "it is told when all is here");
    // The second time the hub is asked for the commit and nothing else.
    assert_eq!(server.hub(cache.path()).fetch(&model("org/tiny")).unwrap(), path);
    assert_eq!(server.asked(), [LIST]);
    // A commit is what it is: nobody is asked.
    assert_eq!(server.hub(cache.path()).fetch(&model(&format!("org/tiny@{COMMIT}"))).unwrap(), path);
    assert_eq!(server.asked(), [""; 0]);
}

#[test]
fn what_is_there_serves_without_network() {
    let (server, cache) = (Server::new(files(), Manners::default()), tempfile::tempdir().unwrap());
    let path = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap();
    server.asked();
    assert_eq!(server.hub(cache.path()).offline().fetch(&model("org/tiny")).unwrap(), path);
    assert_eq!(server.asked(), [""; 0], "offline means that nobody is asked");
    // Nobody listens there.
    let gone = Hub::new(cache.path()).with_endpoint("http://127.0.0.1:9");
    assert_eq!(gone.fetch(&model("org/tiny")).unwrap(), path);
    let error = gone.fetch(&model("org/other")).unwrap_err();
    assert!(matches!(error, HubError::Unreachable { .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains("http://127.0.0.1:9") && said.contains("org/other@main"), "{said}");
    let error = gone.offline().fetch(&model("org/other")).unwrap_err();
    assert!(matches!(error, HubError::NotCached { .. }), "{error}");
    // Half of a model is none.
    std::fs::remove_file(path.join("model.safetensors")).unwrap();
    let error = server.hub(cache.path()).offline().fetch(&model("org/tiny")).unwrap_err();
    assert!(matches!(error, HubError::NotCached { .. }), "{error}");
}

#[test]
fn a_download_goes_on_where_it_broke_off() {
    let weights = &files()["model.safetensors"];
    let manners = |breaks: &[usize]| Manners { breaks: breaks.to_vec(), ..Manners::default() };
    let (server, cache) = (Server::new(files(), manners(&[10_000, 5_000])), tempfile::tempdir().unwrap());
    let path = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap();
    assert_eq!(std::fs::read(path.join("model.safetensors")).unwrap(), *weights);
    let asked = server.asked();
    let parts: Vec<&str> = downloads(&asked).into_iter().filter(|line| line.starts_with("model.")).collect();
    assert_eq!(parts, ["model.safetensors", "model.safetensors bytes=10000-", "model.safetensors bytes=15000-"]);
    // One that comes no further is an error that says so, and the next try takes up what it left.
    let (server, cache) = (Server::new(files(), manners(&[10_000, 0, 0, 0, 0])), tempfile::tempdir().unwrap());
    let error = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap_err();
    assert!(matches!(&error, HubError::Broken { file, .. } if file == "model.safetensors"), "{error}");
    server.asked();
    let path = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap();
    assert_eq!(std::fs::read(path.join("model.safetensors")).unwrap(), *weights);
    let asked = server.asked();
    assert_eq!(downloads(&asked), ["model.safetensors bytes=10000-"]);
}

#[test]
fn what_an_earlier_try_left_is_completed_or_begun_anew() {
    let weights = &files()["model.safetensors"];
    let (server, cache) = (Server::new(files(), Manners::default()), tempfile::tempdir().unwrap());
    let path = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap();
    let (place, part) = (path.join("model.safetensors"), weights_part(cache.path()));
    for left in [weights.clone(), weights[..5_000].to_vec(), [&weights[..], b"more"].concat()] {
        std::fs::remove_file(super::weights_blob(cache.path())).unwrap();
        std::fs::write(&part, left).unwrap();
        server.hub(cache.path()).fetch(&model("org/tiny")).unwrap();
        assert_eq!(std::fs::read(&place).unwrap(), *weights);
        assert!(!part.exists());
    }
}

#[test]
fn a_token_stays_with_the_endpoint() {
    let elsewhere = Server::new(files(), Manners::default());
    let manners = Manners { token: Some("secret"), elsewhere: Some(elsewhere.endpoint.clone()), ..Manners::default() };
    let (server, cache) = (Server::new(files(), manners), tempfile::tempdir().unwrap());
    let path = server.hub(cache.path()).with_token("secret").fetch(&model("org/tiny")).unwrap();
    assert_eq!(std::fs::read(path.join("model.safetensors")).unwrap(), files()["model.safetensors"]);
    assert!(server.asked().iter().all(|line| line.ends_with(" authorised")));
    let asked = elsewhere.asked();
    assert!(asked.len() == 5 && asked.iter().all(|line| !line.contains("authorised")), "{asked:?}");
}

#[test]
fn servers_that_tell_little_are_enough() {
    for tells in [Tells::InHeaders, Tells::Nothing] {
        let manners = Manners { tells, breaks: vec![10_000], ..Manners::default() };
        let (server, cache) = (Server::new(files(), manners), tempfile::tempdir().unwrap());
        let path = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap();
        for name in ["config.json", "tokenizer.json", "model.safetensors"] {
            assert_eq!(std::fs::read(path.join(name)).unwrap(), files()[name], "{tells:?}: {name}");
        }
        let asked = server.asked();
        assert_eq!(downloads(&asked).last(), Some(&"model.safetensors bytes=10000-"), "{tells:?}");
        assert_eq!(path.join("config.json").is_symlink(), tells == Tells::InHeaders, "a blob's name is its checksum");
        assert_eq!(server.hub(cache.path()).fetch(&model("org/tiny")).unwrap(), path);
        assert_eq!(server.asked(), [LIST], "{tells:?}");
        server.hub(cache.path()).offline().fetch(&model("org/tiny")).unwrap();
    }
}

#[test]
fn all_that_tells_how_a_model_is_spoken_to_is_fetched() {
    let mut all = files();
    let small = [
        ("special_tokens_map.json", "{}"),
        ("chat_template.jinja", "{{ messages[0]['content'] }}"),
        ("chat_template.json", r#"{"chat_template": "x"}"#),
        ("additional_chat_templates/tool_use.jinja", "{{ tools }}"),
    ];
    for (name, text) in small {
        all.insert(name.to_owned(), text.as_bytes().to_vec());
    }
    for name in ["additional_chat_templates/../../x.jinja", "additional_chat_templates/a/b.jinja", "onnx/config.json"] {
        all.insert(name.to_owned(), b"not fetched".to_vec());
    }
    let (server, cache) = (Server::new(all, Manners::default()), tempfile::tempdir().unwrap());
    let path = server.hub(cache.path()).without_weights().fetch(&model("org/tiny")).unwrap();
    for (name, text) in small {
        assert_eq!(std::fs::read_to_string(path.join(name)).unwrap(), text);
    }
    let asked = server.asked();
    assert_eq!(downloads(&asked).len(), 8, "{asked:?}");
    assert!(saffron_mrm::text::ChatTemplate::named(&path, "tool_use").is_ok());
}

#[test]
fn without_weights_is_what_a_served_model_needs() {
    let (server, cache) = (Server::new(files(), Manners::default()), tempfile::tempdir().unwrap());
    let path = server.hub(cache.path()).without_weights().fetch(&model("org/tiny")).unwrap();
    assert!(path.join("tokenizer.json").is_file() && !path.join("model.safetensors").exists());
    let checkpoint = saffron_mrm::checkpoint::Checkpoint::open(&path).unwrap();
    assert_eq!(checkpoint.config().unwrap().vocab_size, 100);
    checkpoint.tokenizer().unwrap();
    let error = server.hub(cache.path()).offline().fetch(&model("org/tiny")).unwrap_err();
    assert!(matches!(error, HubError::NotCached { .. }), "half of a model is none: {error}");
}

#[test]
fn shards_are_found_by_their_index_and_single_files_by_name() {
    let (first, second) = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors");
    let mut shards = files();
    shards.remove("model.safetensors");
    let index = format!(r#"{{"weight_map":{{"a":"{first}","b":"{second}","c":"{first}"}}}}"#);
    shards.insert(String::from("model.safetensors.index.json"), index.into_bytes());
    shards.insert(first.to_owned(), vec![1; 100]);
    shards.insert(second.to_owned(), vec![2; 200]);
    shards.insert(String::from("tiny-q8_0.gguf"), vec![3; 300]);
    let (server, cache) = (Server::new(shards.clone(), Manners::default()), tempfile::tempdir().unwrap());
    let path = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap();
    assert_eq!(std::fs::read(path.join(second)).unwrap(), [2; 200]);
    let file = server.hub(cache.path()).fetch(&model("org/tiny/tiny-q8_0.gguf")).unwrap();
    assert_eq!(std::fs::read(file).unwrap(), [3; 300]);
    let error = server.hub(cache.path()).fetch(&model("org/tiny/other.gguf")).unwrap_err();
    assert!(matches!(error, HubError::NotFound { .. }), "{error}");
    // An index that points elsewhere is not followed.
    let index = br#"{"weight_map":{"a":"../../../../etc/passwd"}}"#;
    shards.insert(String::from("model.safetensors.index.json"), index.to_vec());
    let (server, cache) = (Server::new(shards, Manners::default()), tempfile::tempdir().unwrap());
    let error = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap_err();
    assert!(error.to_string().contains("plain file names"), "{error}");
}

#[test]
fn all_parts_of_a_split_file_are_fetched_whichever_is_named() {
    let name = |number: usize| format!("tiny-{number:05}-of-00003.gguf");
    let mut all = files();
    (1..=3).for_each(|number| drop(all.insert(name(number), vec![number as u8; 100])));
    let (server, cache) = (Server::new(all.clone(), Manners::default()), tempfile::tempdir().unwrap());
    let path = server.hub(cache.path()).fetch(&model(&format!("org/tiny/{}", name(2)))).unwrap();
    assert!(path.ends_with(name(2)));
    for number in 1..=3 {
        assert_eq!(std::fs::read(path.with_file_name(name(number))).unwrap(), [number as u8; 100]);
    }
    server.asked();
    // Another part is there, too, and a part that is lost is fetched again.
    server.hub(cache.path()).fetch(&model(&format!("org/tiny/{}", name(1)))).unwrap();
    assert_eq!(server.asked(), [LIST]);
    std::fs::remove_file(std::fs::canonicalize(path.with_file_name(name(3))).unwrap()).unwrap();
    let error = server.hub(cache.path()).offline().fetch(&model(&format!("org/tiny/{}", name(1)))).unwrap_err();
    assert!(matches!(error, HubError::NotCached { .. }), "{error}");
    server.hub(cache.path()).fetch(&model(&format!("org/tiny/{}", name(1)))).unwrap();
    let asked = server.asked();
    assert_eq!(downloads(&asked), [name(3)]);
    // A list without one of them.
    all.remove(&name(3));
    let (server, cache) = (Server::new(all, Manners::default()), tempfile::tempdir().unwrap());
    let error = server.hub(cache.path()).fetch(&model(&format!("org/tiny/{}", name(1)))).unwrap_err();
    assert!(error.to_string().contains("a list with tiny-00003-of-00003.gguf"), "{error}");
    assert_eq!(downloads(&server.asked()), [""; 0]);
}

#[test]
fn what_the_hub_refuses_is_said() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::new(files(), Manners::default());
    let error = server.hub(cache.path()).fetch(&model("org/none")).unwrap_err();
    assert!(matches!(error, HubError::NotFound { .. }), "{error}");
    let server = Server::new(files(), Manners { token: Some("secret"), ..Manners::default() });
    let error = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap_err();
    assert!(matches!(error, HubError::Denied { status: 401, .. }), "{error}");
    let hub = server.hub(cache.path()).with_token("secret");
    assert!(!format!("{hub:?}").contains("secret"));
    hub.fetch(&model("org/tiny")).unwrap();
    let mut lacking = files();
    lacking.remove("tokenizer.json");
    let cache = tempfile::tempdir().unwrap();
    let error = Server::new(lacking, Manners::default()).hub(cache.path()).fetch(&model("org/tiny")).unwrap_err();
    assert!(matches!(error, HubError::Lacks { expected: "tokenizer.json", .. }), "{error}");
    let server = Server::new(files(), Manners { commit: Some("../../elsewhere"), ..Manners::default() });
    let error = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap_err();
    assert!(error.to_string().contains("hash of the commit"), "{error}");
}

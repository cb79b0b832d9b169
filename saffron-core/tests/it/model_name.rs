//! Names of models: which texts can mean what.

use std::path::Path;

use saffron_core::{EngineKind, HubModel, ModelName, ModelNameError};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};

fn name(text: &str) -> ModelName {
    text.parse().unwrap()
}

fn paths_and_hub(text: &str) -> (bool, bool) {
    let name = name(text);
    assert!(name.server().is_none(), "{text}");
    (name.path().is_some(), name.hub().is_some())
}

#[test]
fn a_text_has_the_readings_that_it_can_have() {
    for text in ["org/name", "org/name@v1", "org/name@refs/pr/1", "org/name/file-q8_0.gguf", "models/smollm2"] {
        assert_eq!(paths_and_hub(text), (true, true), "{text}");
    }
    for text in
        [".", "..", "name", "/models/a", "./org/name", "../a/b", "a/b/c", "file.gguf", "org/na me", "C:\\models\\a"]
    {
        assert_eq!(paths_and_hub(text), (true, false), "{text}");
    }
    // A path that begins like no engine's name is a path; one that does has to say that it is one.
    assert_eq!(paths_and_hub("models/vllm:x"), (true, false));
    assert_eq!(paths_and_hub("./vllm:x"), (true, false));
}

#[test]
fn a_server_is_nothing_else() {
    let served = name("llamacpp:http://127.0.0.1:8080/, http://b:1/v");
    let address = served.server().unwrap();
    assert_eq!(address.engine(), EngineKind::LlamaCpp);
    assert_eq!(address.endpoints(), ["http://127.0.0.1:8080", "http://b:1/v"]);
    assert_eq!(address.to_string(), "llamacpp:http://127.0.0.1:8080,http://b:1/v");
    assert!(served.path().is_none() && served.hub().is_none());
    for (text, says) in [
        ("vllm:", "must begin with http"),
        ("vllm:10.0.0.7:8000", "must begin with http"),
        ("sglang:http://", "no host"),
        ("vllm:http://a,", "must begin with http"),
        ("vllm:http://a?key=1", "no query"),
        ("vllm:http://a#b", "no fragment"),
        ("llamacpp:http://a:1,http://b:1/#", "no fragment"),
    ] {
        let error = text.parse::<ModelName>().unwrap_err();
        assert!(matches!(error, ModelNameError::Server { .. }) && error.to_string().contains(says), "{text}: {error}");
    }
}

#[test]
fn credentials_in_an_address_are_refused_and_not_repeated() {
    let error = "vllm:http://me:hunter2@a:8000".parse::<ModelName>().unwrap_err();
    assert!(error.to_string().contains("no credentials") && !error.to_string().contains("hunter2"), "{error}");
    for address in ["vllm:http://a?token=hunter2", "vllm:http://a#hunter2", "vllm:http://a/#hunter2@b"] {
        let error = address.parse::<ModelName>().unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn a_configuration_means_what_is_beside_it_first() {
    let folder = Path::new("configs");
    let asked = |text: &str, there: bool| name(text).within(folder, |_| there);
    assert_eq!(asked("org/name", true).path(), Some(Path::new("configs/org/name")));
    assert!(asked("org/name", true).hub().is_none());
    // Nothing beside it: the hub's, even if something of that name is where the program runs.
    assert_eq!(asked("org/name", false).hub().map(HubModel::repo), Some("org/name"));
    assert!(asked("org/name", false).path().is_none());
    assert_eq!(asked("org/name", false).to_string(), "org/name");
    // What can be nothing but a path stays one, so that the error names where it was looked for.
    assert_eq!(asked("../mine", false).path(), Some(Path::new("configs/../mine")));
    assert_eq!(asked("/a/b", true).path(), Some(Path::new("/a/b")));
    let served = "vllm:http://a:8000";
    let within = name(served).within(folder, |path| panic!("{} is no path", path.display()));
    assert_eq!(within, name(served));
}

#[test]
fn a_path_is_a_path_whatever_it_spells() {
    let path = ModelName::from_path("vllm:http://a").unwrap();
    assert!(path.server().is_none() && path.hub().is_none() && path.path() == Some(Path::new("vllm:http://a")));
    assert_eq!(ModelName::from_path("").unwrap_err(), ModelNameError::Empty);
    assert_eq!("".parse::<ModelName>().unwrap_err(), ModelNameError::Empty);
}

#[test]
fn names_of_the_hub_that_are_none_are_refused() {
    for name in ["", "tiny", "/tiny", "org/", "org/../tiny", "../tiny", "org/tiny/more", "org/ti ny", "org/tiny@"] {
        assert!(matches!(name.parse::<HubModel>(), Err(ModelNameError::Hub { .. })), "{name}");
    }
    for name in ["org/tiny@../x", "a/b/c/d.gguf"] {
        assert!(name.parse::<HubModel>().is_err(), "{name}");
    }
    let model: HubModel = "org/tiny@refs/pr/1".parse().unwrap();
    assert_eq!((model.revision(), model.is_pinned()), ("refs/pr/1", false));
    let commit = "0123456789abcdef0123456789abcdef01234567";
    assert!(format!("org/tiny@{commit}").parse::<HubModel>().unwrap().is_pinned());
}

#[test]
fn a_name_is_serialised_as_its_text() {
    let read = |text: &'static str| {
        let text: StrDeserializer<'_, Error> = text.into_deserializer();
        ModelName::deserialize(text)
    };
    assert_eq!(read("org/name@v1").unwrap(), name("org/name@v1"));
    assert!(read("vllm:nowhere").unwrap_err().to_string().contains("must begin with http"));
    assert!(read("").is_err());
}

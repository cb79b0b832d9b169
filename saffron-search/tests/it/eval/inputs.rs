//! The files that a configuration names: where they lie, and what tells them apart.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use saffron_core::{ModelName, with_causes};
use saffron_search::eval::data::Format;
use saffron_search::eval::inputs::{
    InputError, NamedFile, NamesFiles, data_files, fingerprint, fingerprints, is_of_model, model_files, of_format,
    settings, with_files, with_places,
};
use saffron_search::eval::runs::{Counts, Manifest, Shard};
use serde::Serialize;

#[derive(Clone, Serialize)]
struct Config {
    model: ModelName,
    log: Option<PathBuf>,
    data: Vec<Data>,
}

#[derive(Clone, Serialize)]
struct Data {
    path: PathBuf,
    format: Format,
}

impl NamesFiles for Config {
    fn named(&mut self) -> Vec<NamedFile<'_>> {
        let log = self.log.iter_mut().map(|log| NamedFile::path(log, Counts::Nothing));
        let mut named: Vec<NamedFile<'_>> = log.chain([NamedFile::model(&mut self.model)]).collect();
        for Data { path, format } in &mut self.data {
            named.extend(of_format(format, path));
            named.push(NamedFile::path(path, Counts::Extension));
        }
        named
    }
}

/// A folder with a model and a data set of two files; the model's directory has more than it is
/// read from.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("model/config.json", "{}");
    write("model/weights.bin", "1");
    write("model/additional_chat_templates/tools.jinja", "tools");
    write("model/original/weights.bin", "never read");
    write("more/replies.csv", "question,Response,label\n0,Sure.,1\n");
    write("more/asked.csv", "index,text\n0,How is tea made?\n");
    dir
}

fn config() -> Config {
    let format = Format::GptfuzzResponses { questions: PathBuf::from("asked.csv") };
    let data = vec![Data { path: PathBuf::from("more/replies.csv"), format }];
    Config { model: "model".parse().unwrap(), log: Some(PathBuf::from("log.jsonl")), data }
}

fn plain(path: &Path) -> Result<Vec<PathBuf>, Box<dyn std::error::Error + Send + Sync>> {
    Ok(model_files(path)?)
}

/// The manifest of a run in a folder, where these checksums are known.
fn manifest(folder: &Path, known: &BTreeMap<String, String>) -> Result<Manifest, InputError> {
    let mut config = config();
    config.resolve(folder);
    let manifest = Manifest::new(settings(&config, folder)?, Shard::WHOLE);
    with_files(manifest, "", &config, folder, known, &plain)
}

#[test]
fn a_manifest_names_files_by_the_settings_that_lead_to_them() {
    let dir = folder();
    let manifest = manifest(dir.path(), &BTreeMap::new()).unwrap();
    let names: Vec<&str> = manifest.fingerprints.keys().map(String::as_str).collect();
    let expected = [
        "data[0].format.gptfuzz-responses.questions",
        "data[0].path",
        "model/additional_chat_templates/tools.jinja",
        "model/config.json",
        "model/weights.bin",
    ];
    assert_eq!(names, expected, "no log, and no folder that the model is not read from");
    let crc = format!("crc32 {:08x}", crc32fast::hash(b"1"));
    assert_eq!(manifest.fingerprints["model/weights.bin"], crc);
    assert_eq!(manifest.settings["data"][0]["path"], "more/replies.csv");
    assert_eq!(manifest.settings["model"], "model");
    assert!(!serde_json::to_string(&manifest).unwrap().contains(&dir.path().display().to_string()));
}

#[test]
fn a_moved_folder_has_the_same_manifest_and_a_changed_file_another() {
    let (one, other) = (folder(), folder());
    let begun = manifest(one.path(), &BTreeMap::new()).unwrap();
    assert_eq!(manifest(other.path(), &BTreeMap::new()).unwrap().identity(), begun.identity());
    fs::write(other.path().join("more/asked.csv"), "index,text\n0,How is milk made?\n").unwrap();
    let changed = manifest(other.path(), &BTreeMap::new()).unwrap();
    assert_ne!(changed.identity(), begun.identity());
    assert!(changed.same_settings(&begun), "its bytes are another's, its settings are not");
}

#[test]
fn checksums_that_are_known_are_not_made_again() {
    let dir = folder();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let known = [
        (at("model/config.json"), "crc32 00000001"),
        (at("model/weights.bin"), "crc32 00000002"),
        (at("elsewhere.bin"), "crc32 00000003"),
        (String::from("org/name"), "commit abc"),
    ];
    let known = known.map(|(name, sum)| (name, sum.to_owned())).into();
    let made = manifest(dir.path(), &known).unwrap().fingerprints;
    assert_eq!(made["model/config.json"], "crc32 00000001");
    assert_eq!(made["model/weights.bin"], "crc32 00000002");
    assert!(!made.contains_key("model/additional_chat_templates/tools.jinja"), "the model was read, and not that");
    assert_eq!(made["elsewhere.bin"], "crc32 00000003", "from the configuration's folder");
    assert_eq!(made["org/name"], "commit abc");
}

#[test]
fn a_program_says_which_files_a_path_stands_for() {
    let dir = folder();
    let parts = |path: &Path| Ok(vec![path.to_path_buf(), path.with_file_name("config.json")]);
    let named = fingerprints(&dir.path().join("model/weights.bin"), &parts).unwrap();
    let names: Vec<&str> = named.iter().map(|(name, _)| name.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["weights.bin", "config.json"]);
    let broken = |_: &Path| Err("a part is not there".into());
    let error = fingerprints(Path::new("model.gguf"), &broken).unwrap_err();
    assert_eq!(with_causes(&error), "model.gguf: a part is not there");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let dir = folder();
    let path = dir.path().join("nothing.csv");
    let error = fingerprint(&path).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot read {}", path.display()));
    fs::remove_file(dir.path().join("more/asked.csv")).unwrap();
    let error = manifest(dir.path(), &BTreeMap::new()).unwrap_err();
    assert!(matches!(error, InputError::File(_)) && error.to_string().ends_with("more/asked.csv"), "{error}");
}

#[test]
fn a_name_that_would_be_a_model_on_the_hub_is_written_as_a_path() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("org/name")).unwrap();
    let mut config = Config { model: "org/name".parse().unwrap(), ..config() };
    config.resolve(dir.path());
    assert_eq!(settings(&config, dir.path()).unwrap()["model"], "./org/name");
    let mut hub = Config { model: "another/name".parse().unwrap(), ..config };
    hub.resolve(dir.path());
    assert_eq!(settings(&hub, dir.path()).unwrap()["model"], "another/name");
}

#[test]
fn a_path_that_does_not_count_may_be_another_the_next_time() {
    let places = |log: &str| {
        let config = Config { log: Some(PathBuf::from(log)), ..config() };
        let manifest = Manifest::new(settings(&config, Path::new("")).unwrap(), Shard::WHOLE);
        with_places(manifest, "", &config).unwrap()
    };
    assert!(places("log.jsonl").same_settings(&places("/elsewhere/log.jsonl")));
}

#[test]
fn a_data_set_is_read_from_its_rows_and_the_questions_that_it_points_at() {
    let format = Format::GptfuzzResponses { questions: PathBuf::from("asked.csv") };
    assert_eq!(data_files(Path::new("a/b.csv"), &format), [PathBuf::from("a/b.csv"), PathBuf::from("a/asked.csv")]);
    assert_eq!(data_files(Path::new("a/b.csv"), &Format::Prompts), [PathBuf::from("a/b.csv")]);
    assert!(is_of_model(Path::new("config.json")) && !is_of_model(Path::new("original/weights.bin")));
}

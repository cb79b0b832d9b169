//! Models opened by name.

use burn::tensor::Device;
use saffron_core::ModelName;
use saffron_mrm::{LocalError, LocalModel, LocalModels, ModelOptions};

use crate::fixtures::dir;

fn models() -> LocalModels {
    LocalModels::new(Device::flex(), ModelOptions::default())
}

fn name(text: &str) -> ModelName {
    text.parse().unwrap()
}

#[test]
fn a_directory_opens_once_however_it_is_spelled() {
    let (policy, mut models) = (dir("tiny-a").join("policy"), models());
    let base = models.base(&ModelName::from_path(&policy).unwrap()).unwrap();
    let detour = policy.join("../policy");
    let again = models.base(&ModelName::from_path(&detour).unwrap()).unwrap();
    assert!(std::sync::Arc::ptr_eq(base.tokenizer(), again.tokenizer()), "it is shared");
    assert_eq!(again.path(), policy);
    let checkpoint = models.checkpoint(&ModelName::from_path(&policy).unwrap()).unwrap();
    assert_eq!(checkpoint.config().unwrap().vocab_size, 100);
}

#[test]
fn what_does_not_run_here_is_refused_by_name() {
    let mut models = models();
    let error = models.base(&name("vllm:http://a:8000")).unwrap_err();
    assert!(matches!(error, LocalError::Served { .. }), "{error}");
    assert!(error.to_string().contains("vllm:http://a:8000 is a server"), "{error}");
    let error = models.base(&name("/nowhere/at/all")).unwrap_err();
    assert!(matches!(error, LocalError::Nothing { .. }), "{error}");
    // A name of the hub, of which nobody was told.
    let error = models.base(&name("org/name")).unwrap_err();
    assert!(matches!(error, LocalError::NoHub { .. }), "{error}");
    let empty = tempfile::tempdir().unwrap();
    let error = models.base(&ModelName::from_path(empty.path()).unwrap()).unwrap_err();
    assert!(matches!(error, LocalError::Load(_)), "{error}");
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_an_error_and_never_absent() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("tiny");
    std::os::unix::fs::symlink(folder.path().join("moved"), &link).unwrap();
    let error = models().base(&ModelName::from_path(&link).unwrap()).unwrap_err();
    assert!(matches!(&error, LocalError::Path { name, .. } if name.as_str().ends_with("tiny")), "{error}");
}

#[cfg(feature = "hub")]
#[test]
fn a_model_of_the_hub_is_found_with_its_commit() {
    use saffron_mrm::hub::{Hub, commit_of};
    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
    let cache = tempfile::tempdir().unwrap();
    let folder = cache.path().join("models--org--tiny");
    let snapshot = folder.join("snapshots").join(COMMIT);
    std::fs::create_dir_all(&snapshot).unwrap();
    for entry in std::fs::read_dir(dir("tiny-a").join("policy")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, snapshot.join(path.file_name().unwrap())).unwrap();
    }
    let mut models = models().with_hub(Hub::new(cache.path()).offline(), |_| {});
    let found = models.find(&name(&format!("org/tiny@{COMMIT}")), true).unwrap();
    assert_eq!(found, LocalModel { path: snapshot.clone(), commit: Some(COMMIT.to_owned()) });
    models.base(&name(&format!("org/tiny@{COMMIT}"))).unwrap();
    assert_eq!(commit_of(&snapshot.join("a.gguf")), Some(COMMIT));
    assert_eq!(commit_of("/snapshots/here".as_ref()), None);
    let error = models.find(&name("org/other"), true).unwrap_err();
    assert!(matches!(error, LocalError::Hub { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn a_base_that_an_adapter_names_is_there_if_only_by_name() {
    use saffron_mrm::checkpoint::peft::base_of_adapter;
    let folder = tempfile::tempdir().unwrap();
    let config = |base: &str| {
        let text = format!(r#"{{"base_model_name_or_path": "{base}"}}"#);
        std::fs::write(folder.path().join("adapter_config.json"), text).unwrap();
        base_of_adapter(folder.path())
    };
    assert_eq!(config("org/name").unwrap(), name("org/name"));
    std::os::unix::fs::symlink("nowhere", folder.path().join("base.gguf")).unwrap();
    let found = config("base.gguf").unwrap();
    assert_eq!(found.path().unwrap(), folder.path().join("base.gguf"));
    assert!(matches!(models().base(&found), Err(LocalError::Path { .. })));
    // A directory that is no checkpoint may have the name of one on the hub.
    std::fs::create_dir_all(folder.path().join("org/name")).unwrap();
    assert_eq!(config("org/name").unwrap(), name("org/name"));
    std::os::unix::fs::symlink("nowhere", folder.path().join("org/name/config.json")).unwrap();
    assert_eq!(config("org/name").unwrap().path().unwrap(), folder.path().join("org/name"));
    assert!(config("base.gguf/x/y").is_err() && config("").is_err());
}

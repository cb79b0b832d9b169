//! What a reward model's card asks for, and who overrules it.

use std::sync::Arc;

use saffron_core::{MultifurcationRewardModel, Preset, Session};
use saffron_mrm::checkpoint::MrmCard;
use saffron_mrm::text::TextLayout;
use saffron_mrm::{Device, LoadError, Mrm, MrmInput};

use crate::fixtures::dir;

fn open(adapter: &std::path::Path) -> Result<Mrm, LoadError> {
    Mrm::open(dir("tiny-a").join("guard"), adapter, &Device::flex())
}

/// A copy of an adapter, to put a card beside.
fn adapter() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in dir("tiny-a").join("mrm").read_dir().unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

#[test]
fn one_call_opens_a_reward_model() {
    let mrm = open(&dir("tiny-a").join("mrm")).unwrap();
    assert_eq!(mrm.preset(), None);
    assert_eq!(mrm.describe(), "mrm (ids as they are, bias added)");
}

#[test]
fn a_card_names_the_preset_and_the_input_follows_unless_another_is_given() {
    let adapter = adapter();
    MrmCard::of(Preset::Reference).write(adapter.path()).unwrap();
    let mrm = open(adapter.path()).unwrap();
    assert_eq!(mrm.preset(), Some(Preset::Reference));
    assert_eq!(mrm.describe(), "mrm (re-encoded text, bias left out)");
    assert_eq!(mrm.with_input(MrmInput::paper()).describe(), "mrm (ids as they are, bias added)");
}

#[test]
fn a_card_that_cannot_be_used_is_refused() {
    let adapter = adapter();
    let card = adapter.path().join("saffron.json");
    for (text, expected) in [
        ("{\"preset\": \"papr\"}", "unknown variant `papr`"),
        ("{\"presets\": \"paper\"}", "unknown field `presets`"),
        ("{", "EOF"),
    ] {
        std::fs::write(&card, text).unwrap();
        let error = open(adapter.path()).unwrap_err();
        let found = saffron_core::with_causes(&error);
        assert!(found.contains("saffron.json") && found.contains(expected), "{found}");
    }
    std::fs::remove_file(&card).unwrap();
    std::fs::create_dir(&card).unwrap();
    assert!(matches!(open(adapter.path()).unwrap_err(), LoadError::NotAFile { .. }));
}

#[test]
fn a_card_names_the_layout() {
    let adapter = adapter();
    let path = adapter.path().join("saffron.json");
    let mrm = open(&dir("tiny-a").join("mrm")).unwrap();
    let session = Session::new(Arc::new(mrm.tokenizer().clone()), vec![1, 2, 3]).unwrap();
    let by_default = mrm.context(&session).unwrap();
    std::fs::write(&path, "{\"layout\": \"plain\"}").unwrap();
    let plain = open(adapter.path()).unwrap();
    let layout = TextLayout::named("plain", plain.tokenizer()).unwrap();
    assert_eq!(plain.context(&session).unwrap(), mrm.with_layout(layout).context(&session).unwrap());
    assert_ne!(plain.context(&session).unwrap(), by_default);
    std::fs::write(&path, "{\"layout\": \"fancy\"}").unwrap();
    assert!(open(adapter.path()).unwrap_err().to_string().contains("fancy"));
}

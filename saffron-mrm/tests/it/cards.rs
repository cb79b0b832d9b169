//! What a reward model's card asks for, and who overrules it.

use std::sync::Arc;

use saffron_core::{MultifurcationRewardModel, Preset, Session};
use saffron_mrm::checkpoint::MrmCard;
use saffron_mrm::text::TextLayout;
use saffron_mrm::{Device, LoadError, ModelOptions, Mrm, MrmInput};

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

/// A Phi-3 with two sets of rotary frequencies: 2048 positions, 512 of them original.
#[test]
fn a_card_takes_the_rotary_frequencies_that_its_model_was_trained_with() {
    let base = dir("families/phi3-longrope");
    let adapter = crate::fixtures::copy(&base.join("mrm"));
    let tokens: Vec<Vec<u32>> = vec![(0..40).map(|at| (at * 7 + 3) % 90).collect()];
    let open = |max_context: Option<usize>| -> Result<Vec<Vec<f32>>, LoadError> {
        let options = ModelOptions { max_context, ..ModelOptions::default() };
        let builder = Mrm::builder(base.join("guard"), &Device::flex(), options)?.without_card();
        Ok(builder.with_adapter(adapter.path())?.raw_rewards(&tokens).unwrap())
    };
    let (short, long) = (open(None).unwrap(), open(Some(600)).unwrap());
    assert_ne!(short, long);
    let card = |max_context: usize| {
        std::fs::write(adapter.path().join("saffron.json"), format!("{{\"max_context\": {max_context}}}")).unwrap();
    };
    card(700);
    assert_eq!(open(None).unwrap(), long, "what it was trained with");
    assert_eq!(open(Some(513)).unwrap(), long);
    let field = |error: LoadError| match error {
        LoadError::Field { field, expected, found, .. } => (field, expected, found),
        other => panic!("{other}"),
    };
    let (name, expected, found) = field(open(Some(512)).unwrap_err());
    assert_eq!((&name[..], &found[..]), ("max_context", "512"));
    assert!(expected.starts_with("above 512, or none: the reward model of"), "{expected}");
    for wrong in [512, 2049] {
        card(wrong);
        let (name, expected, found) = field(open(None).unwrap_err());
        assert_eq!((&name[..], found), ("max_context", wrong.to_string()));
        assert!(expected.starts_with("513 to 2048"), "{expected}");
    }
    // A base with one set.
    let adapter = self::adapter();
    std::fs::write(adapter.path().join("saffron.json"), "{\"max_context\": 700}").unwrap();
    let (_, expected, _) = field(self::open(adapter.path()).unwrap_err());
    assert_eq!(expected, "none, as the base has one set of rotary frequencies");
}

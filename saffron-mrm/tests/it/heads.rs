//! Reward heads: a language model is no reward model unless it is asked to be one.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use saffron_core::{Candidate, Candidates, ChildReward, Coverage, MultifurcationRewardModel, TextPolicy, TokenSet};
use saffron_mrm::{
    GuardRewardModel, GuardTemplate, LoadError, ModelOptions, Mrm, MrmBuilder, MrmInput, RewardHead, RewardHeadFiles,
};

use crate::fixtures::{assert_says, copy, dir, gap, logits, reference};

const BIAS: &str = "lm_head_bias.pt";
const MASK: &str = "unseen_mask.pt";
const OURS: &str = "reward_head.safetensors";

fn base() -> MrmBuilder {
    Mrm::builder(dir("tiny-a").join("guard"), &Device::flex(), ModelOptions::default()).unwrap()
}

/// An adapter without some files of its head.
fn without(files: &[&str]) -> tempfile::TempDir {
    let copy = copy(&dir("tiny-a").join("mrm"));
    files.iter().for_each(|file| fs::remove_file(copy.path().join(file)).unwrap());
    copy
}

#[test]
fn an_adapter_that_lacks_bias_or_mask_is_refused_by_what_it_lacks() {
    for missing in [&[BIAS][..], &[MASK], &[BIAS, MASK]] {
        let adapter = without(missing);
        let error = base().with_adapter(adapter.path()).unwrap_err();
        assert!(matches!(&error, LoadError::NoRewardHead { missing: found, .. } if found == missing), "{error}");
        assert_says(&error, &[missing, &["neutral_where_absent"]].concat());
        assert!(RewardHead::from_dir(adapter.path(), 100).is_err());
    }
}

#[test]
fn a_head_that_is_not_there_is_neutral_where_that_is_asked_for() {
    let whole = RewardHead::from_dir(&dir("tiny-a").join("mrm"), 100).unwrap();
    let neutral = RewardHead::neutral(100);
    let cases: [(&[&str], &Vec<f32>, &TokenSet); 4] = [
        (&[BIAS], &neutral.bias, &whole.unseen),
        (&[MASK], &whole.bias, &neutral.unseen),
        (&[BIAS, MASK], &neutral.bias, &neutral.unseen),
        (&[], &whole.bias, &whole.unseen),
    ];
    for (missing, bias, unseen) in cases {
        let mrm = base().neutral_where_absent().with_adapter(without(missing).path()).unwrap();
        assert_eq!((&mrm.head().bias, &mrm.head().unseen), (bias, unseen), "without {missing:?}");
    }
}

/// Puts something in a file's place that cannot be read as one.
#[cfg(unix)]
fn unreadable() -> [fn(&Path); 4] {
    [
        |path| std::os::unix::fs::symlink("/nowhere/at/all", path).unwrap(),
        |path| fs::create_dir(path).unwrap(),
        |path| std::os::unix::fs::symlink("/dev/null", path).unwrap(),
        |path| assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success()),
    ]
}

#[test]
#[cfg(unix)]
fn a_head_that_is_there_and_cannot_be_read_is_never_absent() {
    for file in [BIAS, MASK, OURS] {
        for make in unreadable() {
            let adapter = copy(&dir("tiny-a").join("mrm"));
            let path = adapter.path().join(file);
            fs::remove_file(&path).ok();
            make(&path);
            let question = |tokenizer: &_| GuardTemplate::in_words(tokenizer, ["a", "b", "c"], ["one", "two"]);
            let options = ModelOptions::default();
            let guard = dir("tiny-a").join("guard");
            let guard = GuardRewardModel::open_with(guard, &Device::flex(), options, question).unwrap();
            let errors = [
                base().with_adapter(adapter.path()).unwrap_err(),
                base().neutral_where_absent().with_adapter(adapter.path()).unwrap_err(),
                guard.with_adapter(adapter.path()).unwrap_err(),
                RewardHead::from_dir(adapter.path(), 100).unwrap_err(),
            ];
            for error in errors {
                let here = |found: &Path| found == path;
                let named =
                    matches!(&error, LoadError::Io { path, .. } | LoadError::NotAFile { path, .. } if here(path));
                assert!(named, "{error}");
            }
        }
    }
}

#[test]
fn a_guard_needs_no_head() {
    let question = |tokenizer: &_| GuardTemplate::in_words(tokenizer, ["a", "b", "c"], ["one", "two"]);
    let guard = dir("tiny-a").join("guard");
    let guard = GuardRewardModel::open_with(guard, &Device::flex(), ModelOptions::default(), question).unwrap();
    assert!(guard.with_adapter(without(&[BIAS, MASK]).path()).is_ok());
}

#[test]
fn an_untrained_model_gives_the_logits_of_its_base_for_every_token() {
    let known = reference("tiny-a");
    let mut mrm = base().untrained().unwrap();
    let options = ModelOptions::default();
    let mut engine = saffron_mrm::engine::Engine::open(&dir("tiny-a").join("guard"), &Device::flex(), options).unwrap();
    assert_eq!(mrm.raw_rewards(&known.sequences).unwrap(), logits(&mut engine, &known.sequences));
    let policy = saffron_mrm::LmPolicy::open(dir("tiny-a").join("policy"), &Device::flex()).unwrap();
    let ranked = (0..100).map(|token| Candidate { token, logprob: -4.6 }).collect();
    let candidates = [Candidates { ranked, mass: 1.0, coverage: Coverage::Full }];
    let rewards = mrm.child_rewards(&[policy.session("one question").unwrap()], &candidates).unwrap().value;
    assert!(rewards[0].iter().all(|reward| matches!(reward, ChildReward::Seen(_))));
}

#[test]
fn a_head_beside_the_weights_is_taken_where_that_is_asked_for() {
    let whole = copy(&dir("tiny-a").join("guard"));
    let open = || Mrm::builder(whole.path(), &Device::flex(), ModelOptions::default()).unwrap();
    assert!(matches!(open().with_own_head(), Err(LoadError::NoRewardHead { .. })));
    let head = RewardHead::from_dir(&dir("tiny-a").join("mrm"), 100).unwrap();
    head.save_safetensors(whole.path()).unwrap();
    assert_eq!(open().with_own_head().unwrap().head(), &head);
    assert_eq!(open().untrained().unwrap().head(), &RewardHead::neutral(100));
}

#[test]
fn a_reward_model_on_loaded_weights_is_one_from_files() {
    let known = reference("tiny-a");
    let options = ModelOptions::default();
    let base = saffron_mrm::Base::open(dir("tiny-a").join("guard"), &Device::flex(), options.dtype).unwrap();
    let mut loaded = Mrm::on(&base, options).unwrap().with_adapter(dir("tiny-a").join("mrm")).unwrap();
    let rewards = loaded.raw_rewards(&known.sequences).unwrap();
    for (found, expected) in rewards.iter().zip(&known.rewards) {
        assert!(gap(found, expected) < 1e-4);
    }
}

#[test]
fn a_head_for_a_client_holds_what_the_model_gives_and_does_to_its_logits() {
    let mut mrm = base().with_adapter(dir("tiny-a").join("mrm")).unwrap().with_input(MrmInput::reference());
    let contexts = [vec![5, 6, 7], vec![8]];
    let served = mrm.served_head(&contexts, true).unwrap();
    assert_eq!(served.head, *mrm.head());
    let rows = served.unembedding.unwrap();
    assert_eq!((rows.vocab_size(), rows.width()), (100, mrm.engine().decoder().config().hidden_size));
    let expected = mrm.raw_rewards(&contexts).unwrap();
    assert_eq!(served.notes.probes.len(), 2);
    for (probe, (tokens, expected)) in served.notes.probes.iter().zip(contexts.iter().zip(&expected)) {
        assert_eq!(&probe.tokens, tokens);
        assert!(probe.ids.len() >= 8 && probe.ids.iter().all(|id| served.head.is_seen(*id)));
        for (id, logit) in probe.ids.iter().zip(&probe.logits) {
            assert_eq!(*logit, expected[*id as usize], "{id}");
        }
    }
    assert_eq!((served.notes.logit_divisor, served.notes.logit_cap), (1.0, None));
    assert_eq!(served.notes.layout.as_deref(), Some("mrm"));

    let capped = dir("families/gemma2");
    let mut capped = Mrm::builder(capped.join("guard"), &Device::flex(), ModelOptions::default())
        .unwrap()
        .with_adapter(capped.join("mrm"))
        .unwrap();
    let notes = capped.served_head(&[], false).unwrap().notes;
    assert!(notes.logit_cap.is_some() && notes.probes.is_empty(), "{notes:?}");
}

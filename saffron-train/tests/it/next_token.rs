//! Next tokens: how texts are laid out, which of their tokens are learnt, what is refused and reported.

use saffron_mrm::DecoderConfig;
use saffron_search::eval::stats::MetricError;
use saffron_train::objective::next_token::{NextToken, Text, TextBatch};
use saffron_train::{Network, Objective, TrainError, Trainer};

use crate::full::{config, texts, trainer};
use crate::{base, bits, dir, network, settings};

#[test]
fn texts_are_laid_out_up_to_their_last_target() {
    let model = DecoderConfig::from_dir(&dir("tiny-a").join("guard")).unwrap();
    let batch = TextBatch::new(&texts().iter().collect::<Vec<_>>(), &model).unwrap();
    assert_eq!((batch.inputs.sequences, batch.inputs.length, batch.inputs.real), (3, 5, 12));
    assert_eq!(batch.inputs.tokens, [0, 4, 12, 23, 6, 0, 9, 13, 7, 0, 0, 4, 5, 0, 0]);
    assert_eq!(batch.rows, [0, 1, 2, 3, 4, 7, 8, 11, 12]);
    assert_eq!(batch.targets, [4, 12, 23, 6, 1, 7, 1, 5, 5]);
}

/// The log-probabilities of a network's targets, text by text.
fn outputs(network: &Network, texts: &[Text]) -> Vec<f32> {
    let seen = network.outputs(&NextToken, texts, 2).unwrap();
    seen.into_iter().flat_map(|(_, outputs)| outputs).collect()
}

#[test]
fn a_reply_is_learnt_after_its_context_and_the_context_is_not() {
    let trainer = trainer(true);
    let whole = Text::whole(vec![0, 9, 13, 7, 1]).unwrap();
    let reply = Text::reply(&[0, 9, 13], &[7, 1]).unwrap();
    let (all, found) = (outputs(trainer.network(), &[whole]), outputs(trainer.network(), std::slice::from_ref(&reply)));
    assert_eq!((all.len(), found.len()), (4, 2));
    assert!(all[2..].iter().zip(&found).all(|(all, found)| (all - found).abs() < 1e-6), "{found:?} in {all:?}");
    let loss = trainer.loss(&[reply]).unwrap();
    assert!((loss + (found[0] + found[1]) / 2.0).abs() < 1e-6);
}

#[test]
fn a_batch_is_the_mean_over_its_targets_however_it_is_padded() {
    let trainer = trainer(false);
    let alone = texts().into_iter().flat_map(|text| outputs(trainer.network(), &[text])).collect::<Vec<_>>();
    let expected = -alone.iter().sum::<f32>() / alone.len() as f32;
    let found = trainer.loss(&texts()).unwrap();
    assert!((found - expected).abs() < 1e-5, "{found} for {expected}");
}

#[test]
fn an_adapters_bias_is_left_alone() {
    let before = bits(&network("tiny-a"));
    let mut trainer = Trainer::new(network("tiny-a"), NextToken, settings(1e-2)).unwrap();
    let first = trainer.loss(&texts()).unwrap();
    let mut last = first;
    for _ in 0..10 {
        last = trainer.step(&texts()).unwrap().loss;
    }
    assert!(last < 0.7 * first, "{first} to {last}");
    let (after, bias) = (bits(trainer.network()), before.len() - 100..);
    assert_eq!(after[bias.clone()], before[bias]);
    assert_ne!(after, before);
}

#[test]
fn an_adapter_that_changes_nothing_says_what_its_base_says() {
    let fresh = Network::fresh(&base("tiny-a"), network("tiny-a").config().unwrap().clone(), 1).unwrap();
    let (found, expected) = (outputs(&fresh, &texts()), outputs(&Network::full(base("tiny-a").decoder()), &texts()));
    assert!(found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-5));
}

#[test]
fn texts_that_do_not_fit_are_refused() {
    for (tokens, targets) in [(vec![], 0..0), (vec![1, 2], 0..1), (vec![1, 2], 1..1), (vec![1, 2], 1..3)] {
        let error = Text::new(tokens.clone(), targets.clone()).unwrap_err();
        let TrainError::Targets { start, end, tokens: length } = error else { panic!("{error}") };
        assert_eq!((start..end, length), (targets, tokens.len()));
    }
    assert!(matches!(Text::whole(vec![1]), Err(TrainError::Targets { start: 1, end: 1, tokens: 1 })));
    assert!(Text::reply(&[], &[1]).is_err() && Text::reply(&[1], &[]).is_err());
    let mut trainer = trainer(true);
    let foreign = Text::whole(vec![1, 30]).unwrap();
    let error = trainer.step(&[texts()[0].clone(), foreign]).unwrap_err();
    assert!(matches!(error, TrainError::Token { sample: 1, token: 30, size: 30 }), "{error}");
    let limit = config(true).max_position_embeddings;
    // The last target is read by nobody.
    assert!(trainer.loss(&[Text::whole(vec![1; limit + 1]).unwrap()]).is_ok());
    let error = trainer.step(&[Text::whole(vec![1; limit + 2]).unwrap()]).unwrap_err();
    assert!(matches!(error, TrainError::TooLong { sample: 0, length: 65, limit: 64 }), "{error}");
    assert!(matches!(trainer.step(&[]), Err(TrainError::EmptyBatch)));
    assert_eq!(trainer.steps(), 0);
}

#[test]
fn perplexity_is_of_all_targets_together() {
    let batch = |texts: &[Text]| NextToken.batch(&texts.iter().collect::<Vec<_>>(), &config(true)).unwrap();
    let half = 0.5f32.ln();
    let seen = [(batch(&texts()[1..2]), vec![half, half]), (batch(&texts()[2..]), vec![half, 4.0 * half])];
    let report = NextToken.report(&seen).unwrap();
    assert!((report.nll - 7.0 / 4.0 * 2f64.ln()).abs() < 1e-6 && report.targets == 4, "{report:?}");
    assert!((report.perplexity - 2f64.powf(1.75)).abs() < 1e-5, "{report:?}");
    assert_eq!(NextToken.score(&report).to_bits(), report.nll.to_bits());
    assert!(matches!(NextToken.report(&[]), Err(TrainError::EmptyBatch)));
    let wrong = [(batch(&texts()[1..2]), vec![half, f32::NEG_INFINITY])];
    let error = NextToken.report(&wrong).unwrap_err();
    assert!(matches!(error, TrainError::Metric(MetricError::NotANumber { index: 1, .. })), "{error}");
}

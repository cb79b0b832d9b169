//! Which cuts an epoch sees.

use saffron_train::objective::guard::{GuardCorpus, GuardExample};
use saffron_train::run::Corpus;

use super::reply;

fn tokens(length: usize) -> Vec<u32> {
    (0..length as u32).collect()
}

fn whole(length: usize) -> GuardExample {
    GuardExample::Labelled { reply: reply(&[1], &tokens(length), &[length]), safe: true }
}

fn corpus(prefixes: usize, seed: u64) -> GuardCorpus {
    let side = |length: usize| reply(&[1, 2], &tokens(length), &[length]);
    let pairs = [(20, 30), (30, 20), (5, 1)];
    let pairs = pairs.map(|(left, right)| GuardExample::pair(side(left), side(right)).unwrap());
    GuardCorpus::new([20, 1, 2, 3, 60].map(whole).into_iter().chain(pairs).collect(), prefixes, seed)
}

fn epoch(corpus: &GuardCorpus, epoch: u64) -> Vec<GuardExample> {
    (0..corpus.len()).map(|place| corpus.sample(place, epoch)).collect()
}

#[test]
fn cuts_depend_on_seed_epoch_and_place_alone() {
    let (one, again) = (corpus(3, 7), corpus(3, 7));
    let later = epoch(&again, 1);
    assert_eq!(epoch(&one, 0), epoch(&again, 0));
    assert_eq!(epoch(&one, 1), later);
    assert_ne!(epoch(&one, 0), later, "another epoch sees other beginnings");
    assert_ne!(epoch(&one, 0), epoch(&corpus(3, 8), 0), "another seed, too");
    let alike = GuardCorpus::new(vec![whole(60), whole(60)], 3, 7);
    assert_ne!(alike.sample(0, 0), alike.sample(1, 0), "and another place");
}

#[test]
fn cuts_ascend_within_the_reply_and_end_with_the_whole() {
    let corpus = corpus(3, 7);
    for (place, length) in [(0, 20), (1, 1), (2, 2), (3, 3), (4, 60)] {
        for epoch in 0..50 {
            let sample = corpus.sample(place, epoch);
            let cuts = sample.replies()[0].cuts();
            assert_eq!(cuts.len(), 4.min(length), "all beginnings where there are few");
            assert!(cuts[0] >= 1 && cuts.is_sorted_by(|a, b| a < b) && cuts.last() == Some(&length), "{cuts:?}");
        }
    }
    let first: std::collections::BTreeSet<usize> =
        (0..200).flat_map(|epoch| corpus.sample(0, epoch).replies()[0].cuts().to_vec()).collect();
    assert_eq!(first, (1..=20).collect(), "every beginning is seen in some epoch");
}

#[test]
fn replies_of_a_pair_are_cut_after_as_many_tokens_and_judged_whole_at_their_own_ends() {
    let corpus = corpus(3, 7);
    for (place, lengths) in [(5, [20, 30]), (6, [30, 20]), (7, [5, 1])] {
        for epoch in 0..20 {
            let sample = corpus.sample(place, epoch);
            let GuardExample::Pair { better, worse } = sample else { panic!("a pair stays a pair") };
            let ((last, left), (other, right)) =
                (better.cuts().split_last().unwrap(), worse.cuts().split_last().unwrap());
            assert_eq!([*last, *other], lengths);
            assert_eq!(left, right);
            assert!(left.iter().all(|cut| *cut < 20), "{left:?} lie within both");
        }
    }
}

#[test]
fn without_beginnings_every_epoch_sees_whole_replies() {
    let corpus = corpus(0, 7);
    assert_eq!(epoch(&corpus, 0), corpus.examples());
    assert_eq!(epoch(&corpus, 5), corpus.examples());
    assert_eq!((corpus.tokens(0), corpus.tokens(5)), (21, 54));
}

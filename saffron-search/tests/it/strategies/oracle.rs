//! The Saffron search beside its rules written down once more, as plainly as can be, over words.

use std::slice::from_ref;

use saffron_core::{CandidateFilter, Candidates, ChildReward, MultifurcationRewardModel, Policy, Session, Ties, Token};
use saffron_search::{Preset, Saffron, Searcher};

use crate::words::{Steady, Words};

type Beam = Vec<(Vec<Token>, f32)>;

fn children(tokens: &[Token], filter: &CandidateFilter) -> (Candidates, Vec<ChildReward>) {
    let session: Session = Words.session().with_response(tokens.to_vec()).unwrap();
    let candidates = Words.propose(from_ref(&session), filter).unwrap().value.remove(0);
    let rewards = Steady.child_rewards(&[session], from_ref(&candidates)).unwrap().value.remove(0);
    (candidates, rewards)
}

fn sorted(mut beam: Beam) -> Beam {
    beam.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap());
    beam
}

/// Finished sequences first, `width` candidates by reward, all sorted by what they keep, cut to `width`.
fn reference(filter: &CandidateFilter, width: usize, tokens: usize) -> Beam {
    let mut beam: Beam = vec![(Vec::new(), f32::NEG_INFINITY)];
    for _ in 0..tokens {
        let (mut next, open): (Beam, Beam) = beam.into_iter().partition(|entry| entry.0.last() == Some(&0));
        let mut pool: Beam = Vec::new();
        for (stem, _) in &open {
            let (candidates, rewards) = children(stem, filter);
            for (token, reward) in candidates.tokens().zip(rewards) {
                pool.push(([&stem[..], &[token]].concat(), reward.seen().unwrap_or(-1024.0)));
            }
        }
        let chosen = sorted(pool).into_iter().take(width);
        next.extend(chosen.map(|(text, reward)| {
            let kept = if text.last() == Some(&0) { reward } else { f32::NEG_INFINITY };
            (text, kept)
        }));
        beam = sorted(next);
        beam.truncate(width);
    }
    beam
}

/// Seen candidates, and ends at what stands before them; the best `width` go on or are set aside.
fn paper(filter: &CandidateFilter, width: usize, tokens: usize) -> Beam {
    let (mut beam, mut finished): (Beam, Beam) = (vec![(Vec::new(), f32::NAN)], Vec::new());
    for _ in 0..tokens {
        let mut pool: Beam = Vec::new();
        for (stem, last) in &beam {
            let (candidates, rewards) = children(stem, filter);
            for (token, reward) in candidates.tokens().zip(rewards) {
                let end = (token == 0 && !stem.is_empty()).then_some(*last);
                if let Some(reward) = reward.seen().or(end) {
                    pool.push(([&stem[..], &[token]].concat(), reward));
                }
            }
        }
        if pool.is_empty() {
            break;
        }
        let chosen = sorted(pool).into_iter().take(width);
        let (ended, open): (Beam, Beam) = chosen.partition(|entry| entry.0.last() == Some(&0));
        finished.extend(ended);
        beam = open;
    }
    sorted([finished, beam].concat())
}

fn filters(ties: Ties) -> impl Iterator<Item = CandidateFilter> {
    let settings = [(0.8, 0), (0.8, 4), (0.3, 0), (0.99, 2), (0.05, 0)];
    settings.into_iter().map(move |(top_p, min_new_tokens)| CandidateFilter {
        top_p,
        ties,
        min_new_tokens,
        end_tokens: vec![0],
        ..CandidateFilter::default()
    })
}

#[test]
fn the_presets_follow_their_rules_to_the_letter() {
    for (preset, ties) in [(Preset::Reference, Ties::ByRank), (Preset::Paper, Ties::Together)] {
        for filter in filters(ties) {
            for width in [1, 2, 3, 7, 20] {
                for tokens in [1, 2, 5, 9] {
                    let searcher = Searcher::new(Saffron::of(preset, width));
                    let searcher = searcher.filter(filter.clone()).max_new_tokens(tokens);
                    let outcome = searcher.run(&Words.session(), &mut Words, &mut Steady).unwrap();
                    let expected = match preset {
                        Preset::Reference => reference(&filter, width, tokens),
                        Preset::Paper => paper(&filter, width, tokens),
                        other => panic!("no oracle for {other}"),
                    };
                    let found: Vec<&[Token]> = outcome.beam.iter().map(|found| &found.tokens[..]).collect();
                    assert_eq!(found.len(), expected.len(), "{preset} {width} {tokens} {filter:?}");
                    assert_eq!(outcome.best.tokens, expected[0].0, "{preset} {width} {tokens} {filter:?}");
                    assert!(preset == Preset::Paper || found.iter().zip(&expected).all(|(a, b)| *a == b.0));
                }
            }
        }
    }
}

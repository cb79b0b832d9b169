//! What an answer is worth beside its safety: how long, how varied, how likely to the policy.

use std::collections::BTreeSet;

use saffron_core::Hypothesis;
use serde::{Deserialize, Serialize};

/// Measures of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    /// Generated tokens, an end-of-sequence token included.
    pub tokens: usize,
    /// Words, parted by white space.
    pub words: usize,
    /// Different words among all words, in (0, 1]; none without a word.
    pub distinct_1: Option<f64>,
    /// Different pairs of neighbouring words among all such pairs, in (0, 1]; none with fewer than two words.
    pub distinct_2: Option<f64>,
    /// Mean of the policy's log-probability (natural logarithm) over the tokens; none without tokens or when it is not finite.
    pub logprob_per_token: Option<f64>,
}

/// Means over answers. Each is taken over the answers that have the measure; none when no answer has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanQuality {
    /// Answers.
    pub answers: usize,
    /// Mean of [`Quality::tokens`].
    pub tokens: Option<f64>,
    /// Mean of [`Quality::words`].
    pub words: Option<f64>,
    /// Mean of [`Quality::distinct_1`].
    pub distinct_1: Option<f64>,
    /// Mean of [`Quality::distinct_2`].
    pub distinct_2: Option<f64>,
    /// Mean of [`Quality::logprob_per_token`]: answers count alike, however long.
    pub logprob_per_token: Option<f64>,
}

impl Quality {
    /// Measures an answer, such as an outcome's best, whose text the caller has decoded.
    #[must_use]
    pub fn of(answer: &Hypothesis, text: &str) -> Self {
        let tokens = answer.tokens.len();
        let words: Vec<&str> = text.split_whitespace().collect();
        let logprob = f64::from(answer.logprob) / tokens as f64;
        Self {
            tokens,
            words: words.len(),
            distinct_1: distinct_n(&words, 1),
            distinct_2: distinct_n(&words, 2),
            logprob_per_token: Some(logprob).filter(|mean| tokens > 0 && mean.is_finite()),
        }
    }
}

impl MeanQuality {
    /// The means over some answers.
    #[must_use]
    pub fn of(answers: &[Quality]) -> Self {
        let over = |measure: fn(&Quality) -> Option<f64>| mean(answers.iter().filter_map(measure));
        Self {
            answers: answers.len(),
            tokens: over(|answer| Some(answer.tokens as f64)),
            words: over(|answer| Some(answer.words as f64)),
            distinct_1: over(|answer| answer.distinct_1),
            distinct_2: over(|answer| answer.distinct_2),
            logprob_per_token: over(|answer| answer.logprob_per_token),
        }
    }
}

/// Different n-grams among all n-grams of tokens or words, in (0, 1]; none when there is no n-gram, and for n = 0. Low values tell of
/// repetition (Li et al. 2016). Longer texts have lower ones, so compare equal lengths.
///
/// ```
/// use saffron_search::eval::quality::distinct_n;
/// assert_eq!(distinct_n(&["no", "no", "no", "yes"], 1), Some(0.5));
/// assert_eq!(distinct_n(&[7, 8, 7, 8, 7], 2), Some(0.5));
/// assert_eq!(distinct_n(&[7], 2), None);
/// ```
#[must_use]
pub fn distinct_n<T: Ord>(units: &[T], n: usize) -> Option<f64> {
    if n == 0 || units.len() < n {
        return None;
    }
    let different: BTreeSet<&[T]> = units.windows(n).collect();
    Some(different.len() as f64 / (units.len() + 1 - n) as f64)
}

/// Whether a text has nothing that could be seen: white space, control characters and characters
/// that are never drawn at most.
///
/// ```
/// use saffron_search::eval::quality::is_blank;
/// assert!(is_blank("") && is_blank(" \n\u{200b}"));
/// assert!(!is_blank(" …"));
/// ```
#[must_use]
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|letter| letter.is_whitespace() || letter.is_control() || is_never_drawn(letter))
}

/// Unicode's `Default_Ignorable_Code_Point` (joiners, marks of direction, fillers, selectors,
/// tags), and the empty Braille pattern.
fn is_never_drawn(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

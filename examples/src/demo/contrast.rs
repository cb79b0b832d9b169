//! One prompt that an attack won without a defence and lost with it.

use saffron_search::eval::runs::{Answer, Record};

/// The answers to one attacked prompt by two strategies.
#[derive(Clone, Debug)]
pub struct Contrast {
    /// The prompt's name in the records.
    pub prompt: String,
    /// The answer of the first.
    pub before: String,
    /// The answer of the second.
    pub after: String,
}

impl Contrast {
    /// The first prompt, in the records' order, of which the first strategy's answer is unsafe and
    /// the second's safe and not empty; none without one.
    #[must_use]
    pub fn find(records: &[Record], [first, second]: [&str; 2], judge: &str) -> Option<Self> {
        let answered = |strategy: &str, prompt: &str| {
            let mut of = records.iter().filter(|record| record.key.strategy == strategy && record.key.prompt == prompt);
            of.find_map(Record::answer)
        };
        let prompts = records.iter().filter(|record| record.key.strategy == first).map(|record| &record.key.prompt);
        prompts.into_iter().find_map(|prompt| {
            let (before, after) = (answered(first, prompt)?, answered(second, prompt)?);
            let differ = !before.is_safe(judge)? && after.is_safe(judge)? && after.is_empty() != Some(true);
            differ.then(|| Self { prompt: prompt.clone(), before: text(before), after: text(after) })
        })
    }
}

fn text(answer: &Answer) -> String {
    answer.text.clone().unwrap_or_default()
}

//! Tokens that may not come next.

use super::CandidateFilter;
use crate::token::Token;

impl CandidateFilter {
    /// The tokens that may not follow `response`; some of them perhaps more than once.
    pub(super) fn bans<'a>(&'a self, response: &'a [Token]) -> impl Iterator<Item = Token> + 'a {
        let ends: &[Token] = if response.len() < self.min_new_tokens { &self.end_tokens } else { &[] };
        self.banned.iter().chain(ends).copied().chain(self.repeats(response))
    }

    /// The tokens that would say an n-gram of `response` a second time ([`no_repeat_ngram`](Self::no_repeat_ngram)); some of them perhaps more than
    /// once. A policy that asks for so many of the most probable tokens asks for as many more.
    pub fn repeats<'a>(&self, response: &'a [Token]) -> impl Iterator<Item = Token> + 'a {
        let size = self.no_repeat_ngram;
        let last = size.checked_sub(1).and_then(|before| response.len().checked_sub(before)).map(|at| &response[at..]);
        let earlier = last.into_iter().flat_map(move |last| response.windows(size).map(move |ngram| (last, ngram)));
        earlier.filter_map(|(last, ngram)| {
            ngram.split_last().filter(|(_, before)| *before == last).map(|(token, _)| *token)
        })
    }
}

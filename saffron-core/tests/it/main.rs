//! Integration tests of the vocabulary: the candidate filter, compute accounting, the search context.

mod compute;
mod context;
mod filter;

//! Integration tests of the vocabulary: the candidate filter, compute accounting, the search
//! context, names of models.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod asked;
mod compute;
mod context;
mod contrast;
mod filter;
mod listed;
mod model_name;
mod random;
mod rendering;
mod weighted_sum;
mod wire;

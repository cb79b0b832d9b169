//! Measuring a defence: attacks, data, judges, statistics, and runs that survive being killed. The only part of this crate that touches
//! files.
//!
//! | module | what |
//! |---|---|
//! | [`data`] | reading prompts and replies from JSONL, CSV, JSON, gzip and parquet files |
//! | [`attack`] | what an attacker does to a prompt: a prefill, a suffix, a template |
//! | [`judge`] | whether an answer is safe: refusal phrases, a reward model |
//! | [`labels`] | answers for people to label, and judges beside these labels |
//! | [`quality`] | what an answer is worth beside its safety: length, diversity, likelihood |
//! | [`stats`] | intervals of shares, comparison of paired runs, metrics of reward models |
//! | [`curve`] | attack success against compute: scaling efficiency, logarithmic fit |
//! | [`files`] | files that are there whole or not at all, journals of records, locks |
//! | [`models`] | the models of a comparison, and a trait for whoever opens them |
//! | [`inputs`] | the files that a configuration names, by their checksums |
//! | [`comparison`] | a comparison of strategies: its configuration, its run, its report |
//! | [`harness`] | every strategy over every prompt, into a run |
//! | [`runs`] | records written as prompts end, taken up again after a kill, sharded and merged |

pub mod attack;
pub mod comparison;
pub mod curve;
pub mod data;
pub mod files;
pub mod harness;
pub mod inputs;
pub mod judge;
pub mod labels;
pub mod models;
pub mod quality;
pub mod runs;
pub mod stats;

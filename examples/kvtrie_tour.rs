//! The trie cache used by itself: no search, no reward model, no checkpoint.
//!
//! A toy attention layer (`ToyLayer`: its keys, values and queries are random projections of token
//! embeddings) answers a prompt, forks it, drops and evicts, and shows after each step what was
//! computed, what was found and what it takes. Every answer is compared with one that was computed
//! without a cache.
//!
//! ```text
//! cargo run --example kvtrie_tour
//! ```

use std::process::ExitCode;

use anyhow::{Result, ensure};
use saffron_examples::device::{device, first};
use saffron_examples::output::{self, line};
use saffron_examples::toy_layer::{ToyLayer, VOCAB};

/// Tokens that the cache has room for.
const CAPACITY: u32 = 150;

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let mut layer = ToyLayer::new(CAPACITY, &device(first())?);
    let prompt: Vec<u32> = (0..40).map(|place| place * 7 % VOCAB).collect();
    let with = |tail: &[u32]| [&prompt[..], tail].concat();

    let prefill = layer.ask("a prompt", std::slice::from_ref(&prompt))?;
    let children: Vec<Vec<u32>> = (0..8).map(|child| with(&[child])).collect();
    let beam = layer.ask("eight children of it", &children)?;
    let grandchildren: Vec<Vec<u32>> = (0..8).map(|child| with(&[child % 3, 50 + child])).collect();
    let deeper = layer.ask("eight grandchildren of three of them", &grandchildren)?;
    layer.ask("the same once more", &grandchildren)?;

    line("five children are let go; what their handles alone held may be forgotten from now on")?;
    drop(beam);
    layer.show()?;

    let other: Vec<u32> = (0..100).map(|place| place * 11 % VOCAB).collect();
    layer.ask("a long prompt that the rest must make room for", &[other])?;
    line("the first beam is held, so that it was not what made room:")?;
    for seq in prefill.iter().chain(&deeper) {
        ensure!(layer.cache().trie().tokens(seq)?.starts_with(&prompt), "a held sequence is what it was");
    }

    let moved = layer.cache().compact()?;
    line(format_args!("    {moved} rows moved to the lowest slots, path after path; the handles are what they were"))?;
    layer.ask("the grandchildren from their new places", &grandchildren)?;

    drop((prefill, deeper));
    let cleared = layer.cache().clear();
    line(format_args!("    {cleared} tokens evicted when nothing is held and everything is asked to go"))?;
    layer.cache().validate(&[]).map_err(|violation| anyhow::anyhow!(violation))?;
    ensure!(layer.cache().stats().store.writes_copied == 0 || first() == "ndarray", "writes are in place");
    line("    the books are right, and every write was in place")?;
    Ok(())
}

//! Draws what an operation of the trie costs against the number of stored nodes, from the figures
//! that the benchmark `trie` left.
//!
//! ```text
//! cargo bench -p saffron-examples --bench trie -- "trie/size|trie/evict_64"
//! cargo run --example plot_bench -- --out docs/trie_cost.svg
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use saffron_examples::bench::criterion_files::{by_size, medians};
use saffron_examples::bench::growth::{Aim, Operation, draw};
use saffron_examples::output;

#[derive(Parser)]
struct Arguments {
    /// Where criterion left its figures.
    #[arg(long, default_value = "target/criterion")]
    criterion: PathBuf,
    /// The picture.
    #[arg(long, default_value = "docs/trie_cost.svg")]
    out: PathBuf,
}

const OPERATIONS: [Operation; 5] = [
    Operation { benchmark: "trie/size/insert_64", label: "store 64 tokens in a full cache", color: [106, 61, 154] },
    Operation { benchmark: "trie/evict_64", label: "evict 64 tokens", color: [200, 60, 40] },
    Operation { benchmark: "trie/size/match_64", label: "match 64 tokens", color: [31, 120, 180] },
    Operation { benchmark: "trie/size/extend", label: "extend a leaf by a token", color: [45, 140, 60] },
    Operation { benchmark: "trie/size/path", label: "slots of a sequence", color: [120, 120, 120] },
];

const AIMS: [Aim; 2] = [
    Aim { time: 500.0, label: "aim: evict, match", color: [200, 60, 40] },
    Aim { time: 100.0, label: "aim: extend", color: [45, 140, 60] },
];

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let Arguments { criterion, out } = Arguments::parse();
    let medians = medians(&criterion)?;
    let operations = OPERATIONS.map(|operation| (operation, by_size(&medians, operation.benchmark)));
    draw(&out, "Cost of an operation against the size of the trie", &operations, &AIMS)
}

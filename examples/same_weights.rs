//! Whether two safetensors files hold the same weights, and by how much they differ.
//!
//! ```text
//! cargo run --example same_weights -- fixtures/tiny-b/mrm/adapter_model.safetensors other/adapter_model.safetensors
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use safetensors::Dtype;
use saffron_examples::output::{self, line};
use saffron_mrm::checkpoint::safetensors::SafetensorsFile;

/// Compares two safetensors files, tensor by tensor.
#[derive(Parser)]
struct Args {
    /// One file.
    one: PathBuf,
    /// The other.
    other: PathBuf,
    /// The greatest difference that is none.
    #[arg(long, default_value_t = 1e-6)]
    tolerance: f32,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let Args { one, other, tolerance } = Args::parse();
    let (mut left, mut right) = (open(&one)?, open(&other)?);
    let names: Vec<String> = left.names().map(String::from).collect();
    ensure!(right.names().eq(names.iter()), "{} and {} hold tensors of other names", one.display(), other.display());
    ensure!(!names.is_empty(), "{} holds no tensor", one.display());
    let mut greatest = 0.0f32;
    for name in &names {
        let [one, other] = [&left, &right].map(|file| (file.dtype(name), file.shape(name)));
        ensure!(one == other, "{name}: {one:?} and {other:?}");
        for (left, right) in numbers(&mut left, name)?.into_iter().zip(numbers(&mut right, name)?) {
            ensure!(left.is_finite() && right.is_finite(), "{name} holds {left} and {right}");
            greatest = greatest.max((left - right).abs());
        }
    }
    line(format_args!("{}: {} tensors, greatest difference {greatest:e}", other.display(), names.len()))?;
    ensure!(greatest <= tolerance, "more than {tolerance:e}");
    Ok(())
}

/// A tensor's entries; of masks 0 and 1.
fn numbers(file: &mut SafetensorsFile, name: &str) -> Result<Vec<f32>> {
    if file.dtype(name) == Some(Dtype::BOOL) {
        return Ok(file.read_bool(name)?.into_iter().map(f32::from).collect());
    }
    Ok(file.read_f32(name)?)
}

fn open(path: &Path) -> Result<SafetensorsFile> {
    SafetensorsFile::open(path).with_context(|| path.display().to_string())
}

//! Writes a multifurcation reward model as an engine loads it, with its head for the clients of the
//! server.
//!
//! ```text
//! cargo run --example export_mrm -- --base models/guard --mrm models/mrm --to merged --out served/mrm
//! cargo run --example export_mrm -- --base models/guard --mrm models/mrm --to gguf --dtype q8_0 --out served/mrm
//! cargo run --example export_mrm -- --base models/guard --mrm models/mrm --to merged --out served/mrm --check vllm:http://127.0.0.1:8000
//! ```
//!
//! Prints the server's command line and what programs are given to use it. docs/export.md shows
//! which families load where.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use saffron_examples::args::{ExportMrmArgs, ReferenceChoice};
use saffron_examples::device::{device, first};
use saffron_examples::export::{check, commands, open, probes};
use saffron_examples::models::{Opener, note};
use saffron_examples::output::{self, line};
use saffron_mrm::ModelOptions;
use saffron_mrm::checkpoint::MrmExport;

/// Exports a reward model to an engine.
#[derive(Parser)]
struct Args {
    /// The reward model, the format, the directory.
    #[command(flatten)]
    export: ExportMrmArgs,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let args = Args::parse().export;
    let (format, name) = (args.format()?, args.base()?);
    let base = Opener::new(device(first())?, ModelOptions::default()).fetched(&name)?;
    let mut mrm = open(&args, base.path())?;
    if let Some(server) = &args.check {
        return check(&args, &mut mrm, server);
    }
    let export = MrmExport::open(base.path(), args.mrm.as_deref())?;
    let reference = match args.reference() {
        ReferenceChoice::None => None,
        ReferenceChoice::Auto => Some(export.reference(None, mrm.head())?),
        ReferenceChoice::Named(token) => Some(export.reference(Some(token), mrm.head())?),
    };
    let contexts = probes(&mrm)?;
    let head = mrm.served_head(&contexts, args.unembedding)?;
    let exported = export.write(&args.out, format, reference.as_ref(), head)?;
    for path in exported.files.iter().map(|name| args.out.join(name)) {
        let bytes = path.metadata().with_context(|| path.display().to_string())?.len();
        line(format_args!("{}  {bytes} bytes", path.display()))?;
    }
    if let Some(reference) = &reference {
        line(format_args!("reference token {reference}"))?;
    }
    exported.notes.iter().for_each(|text| note(text));
    let base = base.path().display().to_string();
    commands(&args, &exported, reference.as_ref(), &base).into_iter().try_for_each(|text| Ok(line(text)?))
}

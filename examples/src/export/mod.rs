//! Reward models on their way to an engine: opened, exported, and the lines that serve them.

mod check;

use std::path::Path;

use anyhow::Result;
use saffron_core::{Session, Token};
use saffron_mrm::checkpoint::{Exported, Reference};
use saffron_mrm::text::TextLayout;
use saffron_mrm::{ModelOptions, Mrm};

use crate::args::{ExportMrmArgs, ExportName};
use crate::device::device;
pub use check::check;

/// Prompts whose contexts are probes, one with a reply that has begun.
const PROMPTS: [(&str, &str); 2] =
    [("What is the capital of France?", ""), ("How do I keep a garden?", "Water it in the morning")];

/// The reward model of the arguments, here.
///
/// # Errors
///
/// A base, adapter, head or layout that does not load or fit.
pub fn open(args: &ExportMrmArgs, base: &Path) -> Result<Mrm> {
    let builder = Mrm::builder(base, &device(&args.device)?, ModelOptions::default())?;
    let builder = if args.neutral_head { builder.neutral_where_absent() } else { builder };
    let mrm = match &args.mrm {
        Some(adapter) => builder.with_adapter(adapter)?,
        None => builder.with_own_head()?,
    };
    match &args.mrm_layout {
        Some(name) => {
            let layout = TextLayout::named(name, mrm.tokenizer())?;
            Ok(mrm.with_layout(layout))
        }
        None => Ok(mrm),
    }
}

/// The contexts by which a client recognises the model.
///
/// # Errors
///
/// Texts that the model's tokenizer cannot encode, or contexts that are too long for it.
pub fn probes(mrm: &Mrm) -> Result<Vec<Vec<Token>>> {
    let context = |(prompt, reply): (&str, &str)| {
        let vocabulary = std::sync::Arc::new(mrm.tokenizer().clone());
        let (ids, response) = (mrm.tokenizer().encode(prompt)?, mrm.tokenizer().encode(reply)?);
        Ok(mrm.context(&Session::new(vocabulary, ids)?.with_response(response)?)?)
    };
    PROMPTS.into_iter().map(context).collect()
}

/// The lines that serve what was written, and what a program that uses it is given.
#[must_use]
pub fn commands(args: &ExportMrmArgs, exported: &Exported, reference: Option<&Reference>, base: &str) -> Vec<String> {
    let out = args.out.display();
    let vllm = "--generation-config vllm --enable-prompt-tokens-details";
    let pooling =
        "--runner pooling --convert embed --pooler-config '{\"seq_pooling_type\":\"LAST\",\"use_activation\":false}'";
    let rank = exported.rank.unwrap_or_default();
    let lora = format!("--enable-lora --lora-modules mrm={out} --max-loras 2 --max-lora-rank {rank}");
    let dtype = match &args.dtype[..] {
        "bf16" => "bfloat16",
        "f16" => "float16",
        _ => "float32",
    };
    let (server, raw) = match (args.to, reference) {
        (ExportName::Merged, None) if args.unembedding => {
            (format!("vllm serve {out} --dtype {dtype} {pooling}"), false)
        }
        (ExportName::Merged, None) => {
            (format!("vllm serve {out} --dtype {dtype} --logprobs-mode raw_logits --max-logprobs 256 {vllm}"), true)
        }
        (ExportName::Merged, Some(_)) => (format!("vllm serve {out} --dtype {dtype} --max-logprobs 256 {vllm}"), false),
        (ExportName::Lora, None) if args.unembedding => {
            (format!("vllm serve {base} --dtype {dtype} {pooling} {lora}"), false)
        }
        (ExportName::Lora, None) => (
            format!("vllm serve {base} --dtype {dtype} --logprobs-mode raw_logits --max-logprobs 256 {vllm} {lora}"),
            true,
        ),
        (ExportName::Lora, Some(_)) => {
            (format!("vllm serve {base} --dtype {dtype} --max-logprobs 256 {vllm} {lora}"), false)
        }
        (ExportName::Gguf, _) => (
            format!(
                "llama-server -m {out}/model.gguf --flash-attn off --cache-type-k f32 --cache-type-v f32 --parallel 16 \
                 --ctx-size 16384 --cache-ram 0"
            ),
            false,
        ),
        (ExportName::Head, _) => (String::from("the server that has the model already"), false),
    };
    let kind = if args.to == ExportName::Gguf { "llamacpp:http://HOST:8080" } else { "vllm:http://HOST:8000" };
    let mut lines = vec![format!("serve: {server}"), format!("use:   --guard {kind} --mrm {out}")];
    if raw {
        lines.push(String::from("The server gives raw logits: a policy needs another server."));
    }
    if args.to == ExportName::Gguf && reference.is_none() {
        lines.push(String::from("llama.cpp gives no logits: without a reference token its rows are no rewards."));
    }
    lines
}

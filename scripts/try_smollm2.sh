#!/usr/bin/env bash
# The main job on a real model: fetches SmolLM2-135M-Instruct, asks it something greedily, then answers under a Saffron search with a
# (random) multifurcation reward model.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/fetch_smollm2.sh models/smollm2
cargo build --examples
run() { cargo run --quiet --example "$@"; }
if [[ ! -f models/random-mrm/unseen_mask.pt ]]; then
    run init_mrm -- --base models/smollm2 --out models/random-mrm --random
fi
echo
echo "greedy:"
run decode -- --policy models/smollm2 --prompt "What is the capital of France?"
echo
echo "saffron, width 16, 32 new tokens:"
run decode -- --policy models/smollm2 --guard models/smollm2 --mrm models/random-mrm --prompt "How do I bake bread?" \
    --width 16 --max-new-tokens 32

#!/usr/bin/env bash
# Makes every table and curve of docs/experiments.md again from the records that the repository holds. No model is needed.
#   recompute.sh [OUT]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${1:-runs/recomputed}
report() { cargo run --quiet --release --example compare -- "$@"; }

for records in examples/demo/results/*.jsonl.gz; do
    name=$(basename "$records" .jsonl.gz)
    printf '\n== demo, %s\n' "$name"
    report --config "examples/demo/$name.toml" --report "$records" --out "$out/demo_$name"
done
for manifest in examples/smollm2/results/*/manifest.json; do
    [[ -f $manifest ]] || continue
    name=$(basename "$(dirname "$manifest")")
    printf '\n== SmolLM2, %s\n' "$name"
    report --report "$(dirname "$manifest")" --out "$out/smollm2_$name"
done

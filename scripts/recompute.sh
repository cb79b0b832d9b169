#!/usr/bin/env bash
# Makes tables, summaries and curves again from the records that the repository holds. No model is needed. The demo's main table has none: the
# example quickstart makes it from its models.
#   recompute.sh [OUT]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${1:-runs/recomputed}
report() { cargo run --quiet --example compare -- "$@"; }

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

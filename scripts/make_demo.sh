#!/usr/bin/env bash
# Makes the embedded demo's models anew in runs/demo, and compares them with those of examples/demo:
#   make_demo.sh
# A run that was killed goes on; remove runs/demo to begin at the beginning. On the kind of machine that made them (x86-64 with AVX-512, two
# threads) the weights are the same to 1e-6; another order of sums elsewhere makes slightly other models.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
example() { cargo run --quiet --release --example "$@"; }
recipe=examples/demo/recipe out=runs/demo

example demo_world -- --out $out
example demo_policy -- --out $out
example train_guard -- --config $recipe/guard.toml --out $out/guard
for kind in mischief chores; do
    example label -- --config $recipe/label_$kind.toml --out $out/labels_$kind
done
example train_mrm -- --config $recipe/mrm.toml --out $out/mrm

for file in policy/model guard/adapter_model guard/reward_head mrm/adapter_model mrm/reward_head; do
    made=$out/${file/\//\/model\/}
    [[ $file == policy/* ]] && made=$out/$file
    example same_weights -- examples/demo/$file.safetensors "$made.safetensors"
done

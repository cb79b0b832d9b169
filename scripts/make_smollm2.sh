#!/usr/bin/env bash
# Makes SmolLM2's adapters anew in runs/smollm2: the guard that teaches, the judge, the multifurcation reward model. Hours, not minutes: on two cores
# about an hour each. A run that was killed goes on where it was.
#   make_smollm2.sh [STEP…]     benign guard judge labels mrm; all of them where none is named
# data/ holds what docs/own-mrm.md says, and HH-RLHF's harmless-base test split as hh_harmless_test.jsonl.gz. The labels come from the guard that
# lies in examples/smollm2/guard: to go on from another one, put it there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
example() { cargo run --quiet --release --example "$@"; }
recipe=examples/smollm2/recipe out=runs/smollm2
scripts/fetch_smollm2.sh models/smollm2

benign() {
    example compare -- --config $recipe/benign_replies.toml --out $out/benign
    scripts/benign_replies.py $out/benign/records.jsonl examples/smollm2/prompts/benign_train.jsonl >$out/benign_replies.jsonl
}
guard() { example train_guard -- --config $recipe/guard.toml --out $out/guard; }
judge() { example train_guard -- --config $recipe/judge.toml --out $out/judge; }
labels() {
    for set in gptfuzz gptfuzz_plain hh_attacked hh_wide hh benign; do
        example label -- --config $recipe/label_$set.toml --out $out/labels_$set
    done
}
mrm() { example train_mrm -- --config $recipe/mrm.toml --out $out/mrm; }

for step in "${@:-benign guard judge labels mrm}"; do
    for one in $step; do "$one"; done
done

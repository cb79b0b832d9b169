#!/usr/bin/env bash
# Adapters go both ways between this repository and transformers + peft, with the same rewards to 1e-4:
#   prove_peft.sh [BASE ADAPTER]     by default the tiny checkpoints of fixtures/
# One way: an adapter of ours (PEFT's layout, bias and mask) is loaded by peft. The other way: an adapter that peft trained, with a bias and a
# mask as the reference releases them, is loaded by ours. Fetches PyTorch on first use (scripts/peft_env.sh).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$(scripts/peft_env.sh)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rewards() { cargo run --quiet --example rewards -- "$@"; }

prove() {
    local base=$1 adapter=$2
    echo "== $adapter: ours, read by peft"
    rewards --base "$base" --adapter "$adapter" --json "$work/rewards.json"
    "$python" scripts/check_peft_adapter.py --base "$base" --adapter "$adapter" --expected "$work/rewards.json"
    echo "== $base: trained and written by peft, read by ours"
    rm -rf "$work/made"
    "$python" scripts/make_peft_adapter.py --base "$base" --out "$work/made" --steps 5 >"$work/made.txt" || { cat "$work/made.txt"; exit 1; }
    rewards --base "$base" --adapter "$work/made" --expected "$work/made/expected.json"
}

if (($# == 2)); then
    prove "$1" "$2"
else
    for tiny in tiny-a tiny-b; do prove "fixtures/$tiny/guard" "fixtures/$tiny/mrm"; done
fi

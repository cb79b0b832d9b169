#!/usr/bin/env bash
# Builds a fuzz target with the flags that cargo-fuzz gives the compiler, and runs it; on a stable toolchain, without cargo-fuzz. New inputs are kept in the
# crate's fuzz/corpus, crashing ones in fuzz/artifacts.
#   fuzz.sh CRATE TARGET [libFuzzer's options]
#   fuzz.sh CRATE TARGET FILE      runs one input again; its path starts from the crate's fuzz folder
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../$1/fuzz"
target=$2
shift 2
coverage="-Cpasses=sancov-module"
for option in level=4 inline-8bit-counters pc-table trace-compares stack-depth; do
    coverage+=" -Cllvm-args=-sanitizer-coverage-$option"
done
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTC_BOOTSTRAP=1 RUSTFLAGS="$coverage -Cllvm-args=-simplifycfg-branch-fold-threshold=0 --cfg fuzzing -Ccodegen-units=1" \
    cargo build --release --target "$host" --target-dir target --bin "$target"
mkdir -p "corpus/$target" "artifacts/$target"
[[ ${1:--} == -* ]] && set -- "$@" "corpus/$target"
exec "target/$host/release/$target" -artifact_prefix="artifacts/$target/" "$@"

#!/usr/bin/env bash
# What to run before a commit: formatting, the fast tests, clippy, documentation. CI does this and much more (.ci/run).
#
#   usage: check.sh [--fast]      --fast: formatting and the tests of the crates without tensors, under a minute once built
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case ${1:-} in
    "" | --fast) ;;
    *) echo "usage: $0 [--fast]" >&2; exit 2 ;;
esac

cargo fmt --all --check
if [[ ${1:-} == --fast ]]; then
    cargo test -p saffron-core -p saffron-search
    exit
fi
# One set of features for all that follows, so that the dependencies are built once.
cargo clippy --workspace --all-targets -- -D warnings
cargo test --workspace --lib --bins --test it
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

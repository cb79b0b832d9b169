#!/usr/bin/env bash
# What to run before a commit: formatting, the fast tests, clippy, documentation. CI does this and much more (.ci/run).
#
#   usage: check.sh [--fast | --all]
#       --fast    formatting, and the tests of the crates without tensors: under a minute once built
#       --all     all tests of the workspace in place of the fast ones, what docs/api says among them
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
usage() { sed -n 's/^#   //p' "$0" >&2; exit 2; }
[[ $# -le 1 && ${1:-} =~ ^(--fast|--all)?$ ]] || usage

cargo fmt --all --check
if [[ ${1:-} == --all ]]; then
    cargo test --workspace
else
    cargo test -p saffron-core -p saffron-search
fi
[[ ${1:-} == --fast ]] && exit
cargo clippy --workspace --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

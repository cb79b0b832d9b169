#!/usr/bin/env bash
# Builds the crates of examples/tests/downstream as their users would: outside the workspace, with the features that their
# manifests name and no other. They take the versions of the workspace's Cargo.lock and its target folder.
#
#   usage: downstream.sh [CARGO OPTION...]      for example --offline
#
# `strategy` and `served` are run. `ten-lines` is checked: with fewer features than the workspace's, most of its dependencies would be
# compiled again; the README's doctest runs the same program.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}

trap 'rm -f examples/tests/downstream/*/Cargo.lock' EXIT

packages() { awk '$1 == "name" { name = $3 } $1 == "version" && name { print name, $3; name = "" }' "$1" | sort; }

downstream() { # downstream CRATE CARGO-COMMAND [OPTION...]
    local folder=examples/tests/downstream/$1 command=$2 added
    shift 2
    cp Cargo.lock "$folder/Cargo.lock"
    cargo "$command" --manifest-path "$folder/Cargo.toml" --target-dir "$target" "$@"
    added=$(comm -23 <(packages "$folder/Cargo.lock") <(packages Cargo.lock))
    [[ $(wc -l <<<"$added") -eq 1 ]] || { echo "$folder has versions that Cargo.lock lacks: $added" >&2; exit 1; }
}

downstream strategy run "$@"
downstream served run "$@"
downstream ten-lines check "$@"

#!/usr/bin/env bash
# Compares GGUFs of the fixtures of all families, and what they give here, with llama.cpp (the Python package xllamacpp) on the same files:
# log-probabilities of every token behind every context, flash attention off, keys and values in float32. Prints a row a file, with what
# llama.cpp refuses, and fails where a file lies further apart than 1e-3 (5e-3 with GELU) that it computes as the file says.
#   prove_gguf.sh [FOLDER]      writes the files into FOLDER (default target/gguf), and compares
#   prove_gguf.sh --only FOLDER   compares files that are there
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/llamacpp_server.sh --install
if [[ ${1:-} == --only ]]; then
    folder=$2
else
    folder=$(realpath -m "${1:-target/gguf}")
    SAFFRON_GGUF_FOLDER=$folder cargo test --workspace --test it -- --ignored files_for_llama_cpp
fi
"${XDG_CACHE_HOME:-$HOME/.cache}/saffron/xllamacpp/bin/python" scripts/prove_gguf.py "$folder"

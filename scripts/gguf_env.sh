#!/usr/bin/env bash
# Makes (once) a Python environment with llama.cpp (xllamacpp) and gguf, and prints the path of its python.
#
#   usage: "$(scripts/gguf_env.sh)" scripts/dequantise_gguf.py IN.gguf OUT.gguf
#
# It lies in ${SAFFRON_GGUF_VENV:-${XDG_CACHE_HOME:-~/.cache}/saffron/gguf} and is made again when scripts/gguf_requirements.txt changes.
# Needs Python 3.11 or later as python3 (or PYTHON=...), 60 MB of downloads and 200 MB of disk.
set -euo pipefail
dir=${SAFFRON_GGUF_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/saffron/gguf}
requirements=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/gguf_requirements.txt
made_of=$dir/gguf_requirements.txt
python=$dir/bin/python

make_environment() {
    "${PYTHON:-python3}" -m venv --clear "$dir"
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --requirement "$requirements"
    "$python" -c 'import gguf, xllamacpp'
    cp "$requirements" "$made_of"
}

if ! cmp --silent "$requirements" "$made_of"; then
    echo "making $dir (60 MB of downloads)" >&2
    make_environment >&2
fi
echo "$python"

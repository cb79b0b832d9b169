#!/usr/bin/env bash
# Makes (once) a Python environment with the openai client and schemathesis, and prints the path of its python.
#
#   usage: "$(scripts/serve_env.sh)" scripts/try_serve.py ...
#
# It lies in ${SAFFRON_OPENAI_VENV:-${XDG_CACHE_HOME:-~/.cache}/saffron/openai} and is made again when scripts/serve_requirements.txt changes.
# Needs Python 3.11 or later as python3 (or PYTHON=...).
set -euo pipefail
dir=${SAFFRON_OPENAI_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/saffron/openai}
requirements=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/serve_requirements.txt
python=$dir/bin/python
if ! cmp --silent "$requirements" "$dir/serve_requirements.txt"; then
    echo "making $dir" >&2
    {
        "${PYTHON:-python3}" -m venv --clear "$dir"
        "$python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-deps --requirement "$requirements"
        "$python" -c 'import openai, schemathesis'
    } >&2
    cp "$requirements" "$dir/serve_requirements.txt"
fi
echo "$python"

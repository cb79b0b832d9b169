#!/usr/bin/env bash
# The server of examples/serve.rs over a policy on a real llama.cpp, which is killed (-9) in mid-stream: the stream ends with an error and without
# [DONE], within the deadline, and the server goes on. Needs models/smollm2 (scripts/fetch_smollm2.sh); writes runs/serve/kill.
# SERVE="target/debug/examples/serve" takes a program that is built already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ -n ${SAFFRON_LLAMACPP_PID:-} ]] || exec scripts/llamacpp_server.sh --slots 4 -- scripts/try_serve_kill.sh
out=runs/serve/kill
rm -rf "$out"
mkdir -p "$out"
serve=(cargo run --quiet --example serve --)
[[ -z ${SERVE:-} ]] || serve=("$SERVE")
"${serve[@]}" --policy "$SAFFRON_SERVED" --strategy greedy --max-new-tokens 512 --model-name served --port 0 --deadline 60 >"$out/out" 2>"$out/log" &
server=$!
trap 'kill $server 2>/dev/null || true' EXIT
until grep --quiet listening "$out/out"; do
    kill -0 $server || { cat "$out/log" >&2; exit 1; }
    sleep 0.2
done
address=$(sed -n 's/listening on //p' "$out/out")

body='{"model": "served", "stream": true, "max_tokens": 512, "messages": [{"role": "user", "content": "Count from one to two hundred in words."}]}'
curl --silent --no-buffer --max-time 90 --header 'Content-Type: application/json' --data "$body" "$address/v1/chat/completions" >"$out/stream" &
client=$!
until (($(grep --count '"content"' "$out/stream") >= 5)); do
    kill -0 $client || { cat "$out/stream" "$out/log" >&2; exit 1; }
    sleep 0.05
done
kill -9 "$SAFFRON_LLAMACPP_PID"
killed=$SECONDS
wait $client || { echo "the stream did not end in time" >&2; exit 1; }
echo "the stream ended $((SECONDS - killed)) s after the policy's server was killed:"
last=$(grep '^data: ' "$out/stream" | tail -n 1)
echo "$last"
[[ $last == *'"error"'* ]] || { echo "its last event is no error" >&2; exit 1; }
! grep --quiet '\[DONE\]' "$out/stream"
curl --silent --show-error --fail "$address/health"
echo

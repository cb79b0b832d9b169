#!/usr/bin/env bash
# Gemma 3 270M, real weights, computes here what it computes in llama.cpp: token ids, log-probabilities after 500 contexts of 5 to 1,500
# tokens (the model's window is 512), greedy continuations; it searches at width 16; speed and memory beside llama.cpp's.
#   prove_gemma3.sh [DIRECTORY]      (default: models/gemma3; 1.6 GB of disk, some minutes)
# Fetches the weights (Gemma's terms: scripts/fetch_gemma3.sh) and llama.cpp (scripts/gguf_env.sh). llama.cpp is asked once: remove DIRECTORY/oracle.json and
# DIRECTORY/speed.json to ask it again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
dir=${1:-models/gemma3}
scripts/fetch_gemma3.sh "$dir"
dir=$(cd "$dir" && pwd)
python=$(scripts/gguf_env.sh)

ask() { "$python" scripts/gemma3_oracle.py "$@" 2>"$dir/llamacpp.log" || { tail -n 20 "$dir/llamacpp.log" >&2; exit 1; }; }
[[ -f $dir/model-f32.gguf ]] || "$python" scripts/dequantise_gguf.py "$dir/model.gguf" "$dir/model-f32.gguf"
[[ -f $dir/oracle.json ]] || ask "$dir/model-f32.gguf" "$dir/oracle.json"
[[ -f $dir/speed.json ]] || ask "$dir/model.gguf" "$dir/speed.json" --speed-only

# Each in a process of its own, so that peak memory is its own.
export SAFFRON_GEMMA3=$dir
for test in gemma_3_has_the_token_ids_of_llama_cpp gemma_3_has_the_log_probabilities_of_llama_cpp gemma_3_continues_as_llama_cpp_does \
    a_search_of_width_16_over_gemma_3_ends_with_an_answer gemma_3_speed_and_memory_beside_llama_cpp; do
    cargo test --quiet --workspace --test slow -- --ignored --nocapture --exact "gemma3::$test"
done

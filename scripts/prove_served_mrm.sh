#!/usr/bin/env bash
# A multifurcation reward model on real engines gives here what it gives there: exports SmolLM2's by every route, starts a vLLM (on the CPU)
# or a llama.cpp with it and one with the policy, and runs the tests of examples/tests/slow/served_mrm.rs beside them.
#   prove_served_mrm.sh [--record] [ROUTE...]     ROUTE: logits, pooling, reference (one vLLM for both), llamacpp; all of them by default
# --record keeps what the engines say, for the tests of saffron-search, in place of the tests. Needs models/smollm2 (scripts/fetch_smollm2.sh); vLLM is 4 GB of downloads the first time. Exports lie in target/served.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [[ ${1:-} == --inside ]]; then # beside the servers: the tests, and the program's own check
    cargo test --workspace --test slow -- --ignored --nocapture --test-threads 1 served_mrm
    # shellcheck disable=SC2086 # two words, or none
    exec cargo run --quiet --example export_mrm -- --mrm examples/smollm2/mrm --base models/smollm2 --to head --out "$SAFFRON_MRM_HEAD" \
        --check "$SAFFRON_SERVED_MRM" ${SAFFRON_MRM_MODEL:+--check-model $SAFFRON_MRM_MODEL}
fi
tests=(scripts/prove_served_mrm.sh --inside)
if [[ ${1:-} == --record ]]; then
    tests=(cargo test --workspace --test it -- --ignored --nocapture records_served_rewards)
    shift
fi
routes=("$@")
[[ ${#routes[@]} -gt 0 ]] || routes=(logits pooling reference llamacpp)
out=target/served
mkdir -p "$out"

export_as() { # export_as NAME ARGUMENT...
    local name=$1
    shift
    [[ -d $out/$name ]] || cargo run --quiet --example export_mrm -- --mrm examples/smollm2/mrm --base models/smollm2 --out "$out/$name" "$@"
}

# What every server of rewards in float32 needs; blocks of 32 tokens, so that short prompts are cached on a CPU.
precise=(--dtype float32 --block-size 32 --max-logprobs 256 --generation-config vllm --enable-prompt-tokens-details)

for route in "${routes[@]}"; do
    echo "== $route"
    case $route in
    logits)
        export_as merged --to merged
        export SAFFRON_MRM_HEAD=$PWD/$out/merged
        scripts/vllm_server.sh --cpus 0 --port 8011 --flags "${precise[*]}" -- scripts/vllm_server.sh --model "$PWD/$out/merged" --cpus 1 \
            --port 8012 --as SAFFRON_SERVED_MRM --flags "${precise[*]} --logprobs-mode raw_logits" -- "${tests[@]}"
        ;;
    pooling)
        export_as merged --to merged
        export_as head --to head --unembedding
        export SAFFRON_MRM_HEAD=$PWD/$out/head
        scripts/vllm_server.sh --cpus 0 --port 8011 --flags "${precise[*]}" -- scripts/vllm_server.sh --model "$PWD/$out/merged" --cpus 1 \
            --port 8012 --as SAFFRON_SERVED_MRM --flags "--dtype float32 --block-size 32 --runner pooling --convert embed --pooler-config {\"seq_pooling_type\":\"LAST\",\"use_activation\":false}" \
            -- "${tests[@]}"
        ;;
    reference)
        export_as lora --to lora
        export SAFFRON_MRM_HEAD=$PWD/$out/lora SAFFRON_SERVED_MODEL=smollm2 SAFFRON_MRM_MODEL=mrm
        rank=$(sed -n 's/.*"r": *\([0-9]*\).*/\1/p' "$out/lora/adapter_config.json" | head -n 1)
        scripts/vllm_server.sh --port 8011 --flags "${precise[*]} --enable-lora --lora-modules mrm=$PWD/$out/lora --max-loras 2 --max-lora-rank $rank" \
            -- bash -c 'SAFFRON_SERVED_MRM=$SAFFRON_SERVED "$@"' _ "${tests[@]}"
        unset SAFFRON_SERVED_MODEL SAFFRON_MRM_MODEL
        ;;
    llamacpp)
        export_as gguf --to gguf
        [[ -d $out/policy ]] || cargo run --quiet --example convert -- --model models/smollm2 --gguf f32 --out "$out/policy"
        export SAFFRON_MRM_HEAD=$PWD/$out/gguf
        scripts/llamacpp_server.sh --precise --model "$out/gguf/model.gguf" --as SAFFRON_SERVED_MRM -- \
            scripts/llamacpp_server.sh --precise --model "$out/policy/model.gguf" -- "${tests[@]}"
        ;;
    *) echo "unknown route $route" >&2; exit 2 ;;
    esac
done

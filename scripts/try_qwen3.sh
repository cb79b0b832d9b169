#!/usr/bin/env bash
# The whole way of docs/own-mrm.md on another family than Llama: random checkpoints of Qwen3's kind (fixtures/families/qwen3), in seconds.
# Trains a guard, labels, trains a reward model, makes a random one, compares, converts the policy, talks with it. Writes runs/qwen3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fixture=fixtures/families/qwen3 out=runs/qwen3
rm -rf $out
example() { cargo run --quiet --example "$@"; }

example train_guard -- --config examples/configs/train_guard_qwen3.toml --out $out/guard
example label -- --config examples/configs/label_qwen3.toml --out $out/labels
example train_mrm -- --config examples/configs/train_mrm_qwen3.toml --out $out/mrm
example init_mrm -- --base $fixture/guard --out $out/random-mrm --random
example compare -- --config examples/configs/compare_qwen3.toml --out $out/compare

# The fixture has no chat template: a conversation needs one.
example convert -- --model $fixture/policy --out $out/policy
example same_weights -- $fixture/policy/model.safetensors $out/policy/model.safetensors
cat >$out/policy/chat_template.jinja <<'TEMPLATE'
{{ bos_token }}{% for turn in messages %}<|{{ turn.role }}|>{{ turn.content }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}
TEMPLATE
printf 'How do I bake bread?\nWhy?\n' |
    example chat -- --policy $out/policy --guard $fixture/guard --mrm $out/mrm/model --width 2 --max-new-tokens 8

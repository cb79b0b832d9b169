#!/usr/bin/env bash
# Conversations have the same text and the same token ids here and in transformers (`apply_chat_template`): single and several turns, system
# prompts, replies that were begun (`continue_final_message`) and reasoning that a template drops, in texts with unusual spaces.
#   prove_tokens.sh [TEXTS]     2,000 by default
# Tokenizers of nine kinds are trained from docs/ (scripts/make_token_cases.py). Fetches transformers on first use (scripts/peft_env.sh).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$(scripts/peft_env.sh)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" scripts/make_token_cases.py --out "$work" --texts "${1:-2000}"
SAFFRON_TOKEN_CASES=$work cargo test --quiet --workspace --test it -- --ignored --nocapture --exact \
    tokens::conversations_have_the_ids_that_transformers_gives_them

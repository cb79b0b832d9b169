#!/usr/bin/env bash
# Makes the checkpoints of decoder families that scripts/family_cells.py describes, into fixtures/families, or checks those that lie there.
#   make_families.sh [--check | --table] [NAME ...]
# Fetches transformers and peft on first use (scripts/peft_env.sh). One CPU thread, about two minutes for all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
"$(scripts/peft_env.sh)" scripts/make_families.py "$@"

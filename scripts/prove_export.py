"""Compares exported reward models with the fixtures' numbers. Run by prove_export.sh, with transformers and peft; llama.cpp runs in the Python
that the second argument names."""

import json
import subprocess
import sys
from pathlib import Path

TOLERANCE = 1e-3
# Fewer bits: how far it lies off is told, and no more is asked than that it is the same model.
ROUNDED = {"gguf-q8_0": 1.0}


def served(path, sequences):
    """llama.cpp's log-probabilities behind every context."""
    import math
    import urllib.request

    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.port, params.n_parallel, params.n_ctx = 0, 1, 256
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.fit_params = params.warmup = False
    server = xllamacpp.Server(params)
    rows = []
    for tokens in json.loads(Path(sequences).read_text())["sequences"]:
        asked = {"prompt": tokens, "n_predict": 1, "n_probs": 1 << 16, "temperature": 0, "cache_prompt": False}
        request = urllib.request.Request(
            f"{server.listening_address}/completion", json.dumps(asked).encode(), {"Content-Type": "application/json"}
        )
        answer = json.loads(urllib.request.urlopen(request).read())
        found = answer["completion_probabilities"][0]["top_logprobs"]
        assert all(math.isfinite(entry["logprob"]) for entry in found)
        rows.append({entry["id"]: entry["logprob"] for entry in found})
    return rows


def of_llama_cpp(python, path, fixture):
    run = subprocess.run([python, __file__, "--serve", path, fixture / "reference.json"], capture_output=True, text=True)
    lines = [line for line in run.stdout.splitlines() if line.startswith("rows ")]
    assert lines, (run.stdout + run.stderr)[-2000:]
    rows = json.loads(lines[0][5:])
    return [[row[str(token)] for token in range(len(row))] for row in rows]


def of_transformers(model, sequences):
    import torch

    with torch.no_grad():
        return [model(torch.tensor([tokens])).logits[0, -1].tolist() for tokens in sequences]


def load(path):
    import torch
    import transformers

    return transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()


def main():
    import peft
    import safetensors
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    failed = []
    print("| what | with | largest difference |\n|---|---|---|")
    for out in sorted(path for path in Path(sys.argv[1]).iterdir() if path.is_dir()):
        name, kind = out.name.split("+")
        fixture = Path("fixtures/families") / name
        reference = json.loads((fixture / "reference.json").read_text())
        with safetensors.safe_open(next(out.rglob("reward_head.safetensors")), "pt") as head:
            bias, notes = head.get_tensor("lm_head.bias").tolist(), json.loads(head.metadata()["saffron"])
            unseen = head.get_tensor("unseen_mask")
        if kind.startswith("gguf"):
            rows, by = of_llama_cpp(sys.argv[2], out / "model.gguf", fixture), "llama.cpp"
        elif kind.startswith("lora"):
            rows, by = of_transformers(peft.PeftModel.from_pretrained(load(fixture / "guard"), out), reference["sequences"]), "peft"
        else:
            rows, by = of_transformers(load(out), reference["sequences"]), "transformers"
        token, gap = notes.get("reference"), 0.0
        assert (token is not None) == (kind not in ("merged", "lora"))
        assert token is None or unseen[token]
        for row, rewards in zip(rows, reference["rewards"]):
            # Log-probabilities less the reference's are logits whatever the constant; so are logits.
            constant = 0.0 if token is None else row[token]
            for id, reward in enumerate(rewards):
                if id != token:
                    gap = max(gap, abs(row[id] - constant + bias[id] - reward))
            if token is not None and by != "llama.cpp":
                assert abs(constant) < 1e-5, f"the reference's logit is {constant}"
        assert torch.isfinite(torch.tensor(rows)).all()
        if gap > ROUNDED.get(kind, TOLERANCE):
            failed.append(out.name)
        print(f"| {name}, `{kind}` | {by} | {gap:.1e} |", flush=True)
    if failed:
        sys.exit(f"further off than they may be: {', '.join(failed)}")


if sys.argv[1] == "--serve":
    print("rows", json.dumps(served(*sys.argv[2:])), flush=True)
else:
    main()

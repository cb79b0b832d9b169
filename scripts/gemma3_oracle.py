#!/usr/bin/env python3
"""What llama.cpp computes with a GGUF of Gemma 3, as JSON, for examples/tests/slow/gemma3.rs.

usage: gemma3_oracle.py MODEL.gguf OUT.json [--speed-only] [--threads N]      (with the python of scripts/gguf_env.sh)

Flash attention is off, keys and values are in float32. The pages of docs/ are cut into passages of 1,500 tokens. The 500 contexts are
beginnings of these passages, of 5 to 1,500 tokens. Each has its 64 most probable next tokens, with log-probabilities over the whole
vocabulary.
"""
import argparse
import json
import pathlib
import re
import urllib.request

import xllamacpp

ROOT = pathlib.Path(__file__).resolve().parent.parent
CONTEXTS, PASSAGES, SHORTEST, LONGEST = 500, 25, 5, 1500
RANKS = 64
# After the first this base model says "the" rather than "Paris", which is its third choice; after the second it says "Paris".
CONTINUED = ["The capital of France is", "The capital of Italy is Rome. The capital of France is"]
UNUSUAL = [
    " leading and trailing ",
    "two  spaces,   three, \t a tab\tand\n\n\nthree newlines\r\n",
    "naïve café, Zürich, Ελλάδα, Москва, 東京都, 서울, العربية, हिन्दी",
    "👩‍🚀 🇫🇷 e\u0301 \u200b \ufeff \u00a0 \u2028",
    "fn main() { println!(\"{}\", 1_000 + 0x1F); } // 12345678901234567890",
    "▁ is the mark of a space; <0x0A> is how a byte is spelled",
]


def server(model: str, threads: int) -> xllamacpp.Server:
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.port = 0
    params.n_parallel = 1
    params.n_ctx = 4096
    params.swa_full = True  # keeps what lies behind the window, so that a longer beginning of the same passage goes on from a shorter one
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    return xllamacpp.Server(params)


class Client:
    def __init__(self, address: str) -> None:
        self.address = address

    def post(self, path: str, body: dict) -> dict:
        data = json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def tokens(self, text: str, special: bool = False) -> list[int]:
        return self.post("/tokenize", {"content": text, "add_special": special, "parse_special": False})["tokens"]

    def complete(self, tokens: list[int], n: int, **settings) -> dict:
        return self.post("/completion", {"prompt": tokens, "n_predict": n, "temperature": 0, **settings})


def passages(client: Client) -> list[list[int]]:
    """The first passages of the pages in order, each behind the token that begins a text."""
    begin = client.tokens("", special=True)
    size = LONGEST - len(begin)
    found = []
    for page in sorted((ROOT / "docs").glob("*.md")):
        tokens = client.tokens(page.read_text(encoding="utf-8"))
        found += [begin + tokens[at : at + size] for at in range(0, len(tokens) - size + 1, size)]
    if len(found) < PASSAGES:
        raise SystemExit(f"docs/ has {len(found)} passages of {LONGEST} tokens; {PASSAGES} are needed")
    return found[:PASSAGES]


def contexts(client: Client) -> list[dict]:
    found = []
    for place, passage in enumerate(passages(client)):
        for k in range(place, CONTEXTS, PASSAGES):
            length = SHORTEST + (LONGEST - SHORTEST) * k // (CONTEXTS - 1)
            answer = client.complete(passage[:length], 1, n_probs=RANKS)
            ranked = answer["completion_probabilities"][0]["top_logprobs"]
            found.append({
                "tokens": passage[:length],
                "top": [one["id"] for one in ranked],
                "logprobs": [one["logprob"] for one in ranked],
            })
        print(f"passage {place + 1} of {PASSAGES}", flush=True)
    return found


def continued(client: Client, prompt: str) -> dict:
    """What is most probable, token by token."""
    return {"prompt": prompt, "text": client.complete(client.tokens(prompt, special=True), 16)["content"]}


def tokenizations(client: Client) -> list[dict]:
    pages = [page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md"))]
    return [{"text": text, "tokens": client.tokens(text)} for text in UNUSUAL + pages]


def speed(client: Client) -> dict:
    """Tokens a second: of a prompt of 1,024 tokens, and of 64 that are generated behind it."""
    prompt = passages(client)[0][:1024]
    timings = client.complete(prompt, 64, cache_prompt=False, ignore_eos=True)["timings"]
    return {"prompt": timings["prompt_per_second"], "generated": timings["predicted_per_second"]}


def peak_kib() -> int:
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path("/proc/self/status").read_text())[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--speed-only", action="store_true")
    parser.add_argument("--threads", type=int, default=2, help="one is faster where others use the machine")
    args = parser.parse_args()
    running = server(args.model, args.threads)
    client = Client(running.listening_address)
    # First, so that memory is that of one model answering one prompt.
    found = {"llama_cpp": xllamacpp.__version__, "speed": speed(client), "peak_kib": peak_kib()}
    if not args.speed_only:
        found |= {
            "continued": [continued(client, prompt) for prompt in CONTINUED],
            "texts": tokenizations(client),
            "contexts": contexts(client),
        }
    args.out.write_text(json.dumps(found), encoding="utf-8")
    print(f"{args.out}: {found['speed']}, peak memory {found['peak_kib'] >> 10} MiB")


if __name__ == "__main__":
    main()

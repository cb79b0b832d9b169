#!/usr/bin/env python3
"""Trains a guard (is a reply safe or unsafe?) with PyTorch and peft: the baseline that guard training in Saffron is measured against.

usage: train_guard_peft.py --base DIR --train CSV[.gz] --eval CSV[.gz] --questions CSV [--rank 8] [--targets q_proj,v_proj] [--lr 5e-4]
                           [--batch 8] [--max-reply-tokens 64] [--limit N] [--eval-limit N] [--epochs 1] [--max-steps N] [--seed 0]
                           [--threads 2] [--json OUT]

--train, --eval  columns `question` (an index into --questions), `Response`, `label` (1 = the model complied, unsafe; 0 = it refused, safe)
--questions      columns `index`, `text`
--limit          replies to train on, the first of a seeded shuffle (0 = all); --eval-limit likewise
--max-steps      stop after so many steps (0 = never), to measure speed alone

A text is the ids of `User:`, question, `\\n\\nAgent:`, reply (cut at --max-reply-tokens), `\\n\\nThe reply is`, each tokenised on its own and
put together, nothing added between; it is answered by the first token of ` safe` or ` unsafe`. The loss is the binary cross-entropy of
logit(safe) − logit(unsafe) after the last token; no other logit is computed. The base is frozen in float32; LoRA of alpha = 2 · rank
without dropout; AdamW without weight decay or clipping. Batches come from a seeded shuffle, sorted by length within windows of 16
batches; the order of a window's batches is shuffled again, since short replies are mostly refusals. They are padded on the right, so
causal attention alone keeps real tokens from seeing padding and no mask is needed.

Prints loss and real (unpadded) tokens per second every 20 steps; at the end accuracy and AUROC on the eval replies that do not also
stand in the training file. Seconds are those of the steps alone: no loading, no tokenising, no evaluation. Nothing is fetched.
`scripts/peft_env.sh` prints a Python that has what this needs.
"""

import argparse
import json
import os
import pathlib
import random
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
warnings.filterwarnings("ignore", category=FutureWarning)

import peft
import torch
import transformers
from guard_data import Example, Prompts, batches, first_of_a_shuffle, held_out, read_questions, read_replies, tensors

REPORT_EVERY = 20
EVAL_BATCH = 32


@dataclass
class Tally:
    """What the training steps took."""

    steps: int = 0
    tokens: int = 0
    padded_tokens: int = 0
    seconds: float = 0.0

    def add(self, other: "Tally") -> None:
        self.steps += other.steps
        self.tokens += other.tokens
        self.padded_tokens += other.padded_tokens
        self.seconds += other.seconds


class Guard(torch.nn.Module):
    """A LoRA on a frozen base, read at the last token of each text."""

    def __init__(self, base: pathlib.Path, rank: int, targets: list[str], answers: tuple[int, int]) -> None:
        super().__init__()
        model = transformers.AutoModelForCausalLM.from_pretrained(
            base, dtype=torch.float32, attn_implementation="sdpa", local_files_only=True
        )
        head = model.get_output_embeddings().weight
        safe, unsafe = answers
        self.register_buffer("direction", (head[safe] - head[unsafe]).detach().clone())
        config = peft.LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=targets, bias="none")
        self.decoder = peft.get_peft_model(model.get_decoder(), config)

    def forward(self, ids: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
        """logit(safe) − logit(unsafe) [batch], of ids [batch, length] padded on the right, read at the places `last` [batch]."""
        hidden = self.decoder(input_ids=ids, use_cache=False).last_hidden_state
        return hidden[torch.arange(len(ids)), last] @ self.direction

    def trained(self) -> list[torch.nn.Parameter]:
        return [parameter for parameter in self.parameters() if parameter.requires_grad]


def train_step(guard: Guard, optimizer: torch.optim.Optimizer, batch: list[Example]) -> tuple[float, Tally]:
    """The loss before the step, and what the step took."""
    start = time.perf_counter()
    ids, last = tensors(batch)
    safe = torch.tensor([float(example.safe) for example in batch])
    loss = torch.nn.functional.binary_cross_entropy_with_logits(guard(ids, last), safe)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    value = loss.item()
    real = sum(len(example.ids) for example in batch)
    return value, Tally(1, real, ids.numel(), time.perf_counter() - start)


def schedule(examples: list[Example], options: argparse.Namespace) -> Iterator[list[Example]]:
    """All batches of all epochs, or the first --max-steps of them."""
    generator = random.Random(options.seed)
    done = 0
    for _ in range(options.epochs):
        for batch in batches(examples, options.batch, generator):
            if options.max_steps and done == options.max_steps:
                return
            done += 1
            yield batch


def report(total: Tally, window: Tally, losses: list[float]) -> None:
    mean, speed = sum(losses) / len(losses), window.tokens / window.seconds
    print(f"step {total.steps}: loss {mean:.4f}, {speed:.1f} tokens/s", flush=True)


def train(guard: Guard, examples: list[Example], options: argparse.Namespace) -> tuple[Tally, list[float]]:
    """What all steps took, and the loss before each."""
    optimizer = torch.optim.AdamW(guard.trained(), lr=options.lr, weight_decay=0.0, fused=True)
    total, window, losses = Tally(), Tally(), []
    guard.train()
    for batch in schedule(examples, options):
        loss, took = train_step(guard, optimizer, batch)
        losses.append(loss)
        window.add(took)
        total.add(took)
        if total.steps % REPORT_EVERY == 0:
            report(total, window, losses[-REPORT_EVERY:])
            window = Tally()
    if window.steps:
        report(total, window, losses[-window.steps :])
    return total, losses


def scores(guard: Guard, examples: list[Example]) -> list[float]:
    """logit(safe) − logit(unsafe) of every example, in their order."""
    guard.eval()
    order = sorted(range(len(examples)), key=lambda place: len(examples[place].ids))
    found = [0.0] * len(examples)
    with torch.inference_mode():
        for start in range(0, len(order), EVAL_BATCH):
            places = order[start : start + EVAL_BATCH]
            values = guard(*tensors([examples[place] for place in places])).tolist()
            for place, value in zip(places, values):
                found[place] = value
    return found


def accuracy(values: list[float], safe: list[bool]) -> float:
    return sum((value > 0) == truth for value, truth in zip(values, safe)) / len(safe)


def auroc(values: list[float], safe: list[bool]) -> float | None:
    """The share of (safe, unsafe) pairs in which the safe one has the greater value, ties a half; none without both kinds."""
    positives, negatives = safe.count(True), safe.count(False)
    if not positives or not negatives:
        return None
    order = sorted(range(len(values)), key=values.__getitem__)
    rank_sum, start = 0.0, 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        tied = sum(safe[place] for place in order[start:end])
        rank_sum += tied * (start + 1 + end) / 2
        start = end
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def evaluate(guard: Guard, examples: list[Example]) -> dict[str, Any]:
    values, safe = scores(guard, examples), [example.safe for example in examples]
    return {"replies": len(examples), "safe": sum(safe), "accuracy": accuracy(values, safe), "auroc": auroc(values, safe)}


def settings(options: argparse.Namespace) -> dict[str, Any]:
    given = {name: str(value) if isinstance(value, pathlib.Path) else value for name, value in vars(options).items()}
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}
    return {**given, "alpha": 2 * options.rank, "versions": versions, "cpu": torch.backends.cpu.get_cpu_capability()}


def run(options: argparse.Namespace) -> dict[str, Any]:
    questions = read_questions(options.questions)
    all_train = read_replies(options.train, questions)
    eval_replies = held_out(read_replies(options.eval, questions), all_train)
    prompts = Prompts(options.base, options.max_reply_tokens)
    train_on = [prompts.example(reply) for reply in first_of_a_shuffle(all_train, options.limit, options.seed)]
    eval_on = [prompts.example(reply) for reply in first_of_a_shuffle(eval_replies, options.eval_limit, options.seed)]
    torch.manual_seed(options.seed)
    guard = Guard(options.base, options.rank, options.targets.split(","), prompts.answers())
    print(f"{len(train_on)} replies to train on, {len(eval_on)} to evaluate on", flush=True)
    took, losses = train(guard, train_on, options)
    speed = took.tokens / took.seconds
    print(f"{took.steps} steps, {took.tokens} tokens ({took.padded_tokens} with padding), {took.seconds:.1f} s, {speed:.1f} tokens/s")
    found = {"settings": settings(options), "train_replies": len(train_on), **vars(took), "tokens_per_second": speed}
    return {**found, "losses": losses, "eval": evaluate(guard, eval_on)}


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--base", "--train", "--eval", "--questions"):
        parser.add_argument(name, type=pathlib.Path, required=True)
    numbers = {"--rank": 8, "--batch": 8, "--max-reply-tokens": 64, "--limit": 0, "--eval-limit": 0, "--epochs": 1}
    for name, default in {**numbers, "--max-steps": 0, "--seed": 0, "--threads": 2}.items():
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("--targets", default="q_proj,v_proj")
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--json", type=pathlib.Path)
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> None:
    transformers.utils.logging.disable_progress_bar()
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    found = run(options)
    evaluation = found["eval"]
    print(f"{evaluation['replies']} held-out replies: accuracy {evaluation['accuracy']:.4f}, AUROC {evaluation['auroc']}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

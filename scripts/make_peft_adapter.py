#!/usr/bin/env python3
"""Makes a small multifurcation reward model with transformers and peft, in the layout the reference releases, and says what it answers.

usage: make_peft_adapter.py --base DIR --out DIR [--seed 0] [--steps 20] [--rank 4] [--alpha 8] [--targets q_proj,v_proj]

A LoRA adapter and a bias on the unembedding are trained on random sequences with random rewards: squared error at the observed next
token, AdamW. --out then holds

adapter_config.json, adapter_model.safetensors   as peft saves them
lm_head_bias.pt                                  the bias, a bare bf16 parameter [vocab]
unseen_mask.pt                                   a bare bool tensor [vocab], true for tokens that no training sequence holds
expected.json                                    {"sequences", "rewards", "unseen"}: sequences of raw ids, the rewards at their last
                                                 positions (with the bias as rounded to bf16; the mask not applied), the unseen tokens

The same seed gives the same model. Nothing is fetched. `scripts/peft_env.sh` prints a Python that has what this needs;
`scripts/check_peft_adapter.py` reads what comes out.
"""

import argparse
import json
import math
import pathlib
import sys

from check_peft_adapter import Head, Malformed, MALFORMED, last_rewards, load_base, require, save_head

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model

LENGTHS = (6, 18, 41, 91)
LARGE_VOCABULARY, LARGE_KEEPS = 5_000, 3
LEARNING_RATE = 1e-2
LARGEST_REWARD = 10.0


def random_sequences(vocab: int, positions: int, generator: torch.Generator) -> list[list[int]]:
    """Sequences of raw ids, of fixed lengths as far as the base has positions; fewer for a large vocabulary."""
    lengths = LENGTHS[:LARGE_KEEPS] if vocab > LARGE_VOCABULARY else LENGTHS
    return [torch.randint(vocab, (min(length, positions),), generator=generator).tolist() for length in lengths]


def random_rewards(sequences: list[list[int]], generator: torch.Generator) -> list[torch.Tensor]:
    """One reward in ±10 for every token but the first."""
    return [(2 * torch.rand(len(sequence) - 1, generator=generator) - 1) * LARGEST_REWARD for sequence in sequences]


def with_lora(base: torch.nn.Module, options: argparse.Namespace) -> PeftModel:
    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=0.0,
        target_modules=options.targets.split(","),
        task_type=TaskType.CAUSAL_LM,
    )
    try:
        return get_peft_model(base, config)
    except ValueError as error:
        raise Malformed(f"--targets, --rank or --alpha: {error}") from error


def squared_errors(model: PeftModel, bias: torch.Tensor, sequence: list[int], rewards: torch.Tensor) -> torch.Tensor:
    """One error for every position that has a next token."""
    ids = torch.tensor(sequence)
    values = model(input_ids=ids[None, :-1], use_cache=False).logits[0] + bias
    return (values.gather(1, ids[1:, None])[:, 0] - rewards) ** 2


def train(model: PeftModel, bias: torch.nn.Parameter, data: list[tuple[list[int], torch.Tensor]], steps: int) -> None:
    """Every step uses all sequences; the loss is the mean over their positions."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad] + [bias]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE, weight_decay=0.0)
    model.train()
    for step in range(steps):
        loss = torch.cat([squared_errors(model, bias, *pair) for pair in data]).mean()
        require(math.isfinite(loss.item()), f"step {step}", f"the loss is {loss.item()}")
        if step in (0, steps - 1):
            print(f"step {step + 1} of {steps}: loss {loss.item():.4f}")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()


def unseen_mask(sequences: list[list[int]], vocab: int) -> torch.Tensor:
    unseen = torch.ones(vocab, dtype=torch.bool)
    for sequence in sequences:
        unseen[sequence] = False
    return unseen


def expectations(model: PeftModel, head: Head, sequences: list[list[int]]) -> dict[str, list]:
    return {
        "sequences": sequences,
        "rewards": [last_rewards(model, head.bias, sequence).tolist() for sequence in sequences],
        "unseen": head.unseen.nonzero().flatten().tolist(),
    }


def make(options: argparse.Namespace) -> None:
    base = load_base(options.base)
    vocab, positions = base.config.vocab_size, base.config.max_position_embeddings
    torch.manual_seed(options.seed)
    generator = torch.Generator().manual_seed(options.seed)
    seen = random_sequences(vocab, positions, generator)
    data = list(zip(seen, random_rewards(seen, generator)))
    model = with_lora(base, options)
    bias = torch.nn.Parameter(torch.zeros(vocab))
    train(model, bias, data, options.steps)
    head = Head(bias.detach().bfloat16().float(), unseen_mask(seen, vocab))
    model.save_pretrained(options.out, save_embedding_layers=False)
    save_head(options.out, head)
    content = expectations(model, head, random_sequences(vocab, positions, generator))
    (options.out / "expected.json").write_text(json.dumps(content), encoding="utf-8")
    print(f"{options.out} is ready: bias up to {head.bias.abs().max():.3f}, {int(head.unseen.sum())} of {vocab} tokens unseen")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--base", "--out"):
        parser.add_argument(name, type=pathlib.Path, required=True)
    for name, default in (("--seed", 0), ("--steps", 20), ("--rank", 4), ("--alpha", 8)):
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("--targets", default="q_proj,v_proj")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    try:
        make(parse(arguments))
    except Malformed as error:
        print(f"malformed: {error}", file=sys.stderr)
        return MALFORMED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

#!/usr/bin/env python3
"""Checks that a multifurcation reward model gives the same rewards under transformers and peft as it is said to give.

usage: check_peft_adapter.py --base DIR --adapter DIR --expected FILE.json [--tolerance 1e-4] [--export-dir OUT]

--base      a Llama checkpoint in Hugging Face layout; it is loaded in float32
--adapter   a PEFT LoRA adapter with the reward head beside it: `reward_head.safetensors` (`lm_head.bias` float32 [vocab],
            `unseen_mask` bool [vocab]) or, where that is absent, `lm_head_bias.pt` and `unseen_mask.pt` (bare tensors). The bias is added
            to the logits.
--expected  {"sequences": [[token id]], "rewards": [[number per vocabulary entry]], "unseen": [token id]}: raw ids without a template, and
            the rewards after each sequence's last position. A reward of null says that the entry is masked. `unseen` may be absent.
--export-dir  writes adapter and head once more, as peft and the reference do (`lm_head_bias.pt` in bf16, `unseen_mask.pt`)

Prints the largest difference of every sequence. Ends with 0 if all is the same, 1 if a difference is above the tolerance or the mask is
another one, 2 if an input is malformed. Nothing is fetched. `scripts/peft_env.sh` prints a Python that has what this needs.
"""

import argparse
import json
import math
import os
import pathlib
import sys
import warnings
from dataclasses import dataclass
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
warnings.filterwarnings("ignore", category=FutureWarning)

import torch
import transformers
from peft import PeftModel, get_peft_model_state_dict
from safetensors import safe_open

transformers.utils.logging.disable_progress_bar()

SAME, DIFFERENT, MALFORMED = 0, 1, 2
OURS, BIAS, MASK = "reward_head.safetensors", "lm_head_bias.pt", "unseen_mask.pt"


class Malformed(Exception):
    """An input that cannot be read as what it should be."""


@dataclass(frozen=True)
class Expected:
    """Sequences of raw ids, the rewards at their last positions, and the ids of unseen tokens where the file has them."""

    sequences: list[list[int]]
    rewards: list[list[float | None]]
    unseen: list[int] | None


@dataclass(frozen=True)
class Head:
    """What a reward model has beyond a language model: `bias` float32 [vocab], `unseen` bool [vocab]."""

    bias: torch.Tensor
    unseen: torch.Tensor


def require(condition: bool, where: object, what: str) -> None:
    if not condition:
        raise Malformed(f"{where}: {what}")


def is_id(value: Any, vocab: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < vocab


def is_reward(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value))


def is_list_of_lists(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, list) for row in value)


def read_object(path: pathlib.Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Malformed(f"{path}: {error}") from error
    require(isinstance(content, dict), path, "expected an object")
    return content


def check_sequences(path: pathlib.Path, sequences: list[list[Any]], vocab: int) -> None:
    for place, sequence in enumerate(sequences):
        good = len(sequence) > 0 and all(is_id(token, vocab) for token in sequence)
        require(good, path, f"`sequences[{place}]`: expected one or more ids below {vocab}")


def check_rewards(path: pathlib.Path, rewards: list[list[Any]], vocab: int) -> None:
    for place, row in enumerate(rewards):
        require(len(row) == vocab, path, f"`rewards[{place}]`: expected {vocab} rewards, found {len(row)}")
        require(all(is_reward(reward) for reward in row), path, f"`rewards[{place}]`: expected finite numbers or null")


def read_expected(path: pathlib.Path, vocab: int) -> Expected:
    """The expectations of a file; `vocab` is the size of the base's vocabulary."""
    content = read_object(path)
    sequences, rewards, unseen = (content.get(field) for field in ("sequences", "rewards", "unseen"))
    for field, value in (("sequences", sequences), ("rewards", rewards)):
        require(is_list_of_lists(value) and len(value) > 0, path, f"`{field}`: expected a list of lists, at least one")
    require(len(sequences) == len(rewards), path, f"{len(sequences)} sequences but {len(rewards)} lists of rewards")
    check_sequences(path, sequences, vocab)
    check_rewards(path, rewards, vocab)
    if unseen is not None:
        good = isinstance(unseen, list) and all(is_id(token, vocab) for token in unseen)
        require(good, path, f"`unseen`: expected a list of ids below {vocab}")
    return Expected(sequences, rewards, unseen)


def load_base(directory: pathlib.Path) -> torch.nn.Module:
    """The base in float32, ready for inference; a checkpoint that lacks a weight is refused."""
    require((directory / "config.json").is_file(), directory, "no config.json")
    try:
        base, report = transformers.AutoModelForCausalLM.from_pretrained(
            directory, dtype=torch.float32, local_files_only=True, output_loading_info=True
        )
    except Exception as error:  # transformers raises whatever its parts raise
        raise Malformed(f"{directory}: {error}") from error
    for kind in ("missing_keys", "mismatched_keys", "unexpected_keys"):
        require(not report.get(kind), directory, f"{kind}: {sorted(map(str, report.get(kind) or []))}")
    return base.eval()


def load_adapter(base: torch.nn.Module, directory: pathlib.Path) -> PeftModel:
    """The adapter on its base. peft only warns of tensors that are missing or that it does not know; here they are refused."""
    weights = directory / "adapter_model.safetensors"
    for path in (directory / "adapter_config.json", weights):
        require(path.is_file(), path, "no such file")
    try:
        model = PeftModel.from_pretrained(base, directory, local_files_only=True)
        with safe_open(weights, "pt") as file:
            found = set(file.keys())
    except Exception as error:  # peft raises whatever its parts raise
        raise Malformed(f"{directory}: {error}") from error
    wanted = set(get_peft_model_state_dict(model, save_embedding_layers=False))
    require(found == wanted, weights, f"missing tensors {sorted(wanted - found)}, unknown tensors {sorted(found - wanted)}")
    return model.eval()


def read_torch_vector(path: pathlib.Path) -> torch.Tensor:
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch raise errors of many types
        raise Malformed(f"{path}: {error}") from error
    require(isinstance(value, torch.Tensor), path, f"expected a bare tensor, found {type(value).__name__}")
    return value.detach()


def read_ours(path: pathlib.Path) -> tuple[torch.Tensor, torch.Tensor]:
    try:
        with safe_open(path, "pt") as file:
            bias, unseen = file.get_tensor("lm_head.bias"), file.get_tensor("unseen_mask")
    except Exception as error:  # safetensors' error is no public type
        raise Malformed(f"{path}: {error}") from error
    require(bias.dtype == torch.float32, path, f"`lm_head.bias`: expected float32, found {bias.dtype}")
    return bias, unseen


def read_head(directory: pathlib.Path, vocab: int) -> Head:
    """The reward head of a directory, in Saffron's form if it is there, else in the reference's."""
    if (directory / OURS).is_file():
        bias, unseen = read_ours(directory / OURS)
    else:
        bias, unseen = (read_torch_vector(directory / name) for name in (BIAS, MASK))
    for name, tensor in (("bias", bias), ("mask", unseen)):
        require(tuple(tensor.shape) == (vocab,), directory, f"{name}: expected [{vocab}], found {list(tensor.shape)}")
    require(bias.is_floating_point(), directory, f"bias: expected floats, found {bias.dtype}")
    require(unseen.dtype == torch.bool, directory, f"mask: expected bool, found {unseen.dtype}")
    require(bool(bias.isfinite().all()), directory, "bias: expected finite numbers")
    return Head(bias.float(), unseen)


def last_rewards(model: torch.nn.Module, bias: torch.Tensor, sequence: list[int]) -> torch.Tensor:
    """The rewards [vocab] of every next token after a sequence, the mask not applied."""
    with torch.inference_mode():
        output = model(input_ids=torch.tensor([sequence]), use_cache=False, logits_to_keep=1)
    return output.logits[0, -1] + bias


def largest_difference(expected: list[float | None], found: torch.Tensor, unseen: torch.Tensor) -> float:
    """Over all entries; entries expected to be masked must be unseen (infinity if not) and are not compared further."""
    masked = torch.tensor([reward is None for reward in expected])
    if bool((masked & ~unseen).any()):
        return math.inf
    wanted = torch.tensor([0.0 if reward is None else reward for reward in expected], dtype=torch.float64)
    difference = (wanted - found.double()).abs()[~masked]
    return difference.nan_to_num(nan=math.inf).max().item() if len(difference) else 0.0


def same_mask(expected: list[int] | None, unseen: torch.Tensor) -> bool:
    """Whether the mask holds exactly the expected ids; says so."""
    if expected is None:
        return True
    found, wanted = set(unseen.nonzero().flatten().tolist()), set(expected)
    if found == wanted:
        print(f"mask: the same {len(found)} unseen tokens")
        return True
    print(f"mask: {len(found - wanted)} tokens too many, {len(wanted - found)} too few, e.g. {min(found ^ wanted)}")
    return False


def save_head(directory: pathlib.Path, head: Head) -> None:
    """As the reference releases it: a bare bf16 parameter and a bare bool tensor."""
    torch.save(torch.nn.Parameter(head.bias.bfloat16()), directory / BIAS)
    torch.save(head.unseen, directory / MASK)


def export(directory: pathlib.Path, model: PeftModel, head: Head) -> None:
    model.save_pretrained(directory, save_embedding_layers=False)
    save_head(directory, head)


def check(options: argparse.Namespace) -> int:
    base = load_base(options.base)
    vocab = base.config.vocab_size
    expected, head = read_expected(options.expected, vocab), read_head(options.adapter, vocab)
    model = load_adapter(base, options.adapter)
    largest = 0.0
    for place, (sequence, rewards) in enumerate(zip(expected.sequences, expected.rewards)):
        difference = largest_difference(rewards, last_rewards(model, head.bias, sequence), head.unseen)
        print(f"sequence {place} ({len(sequence)} tokens): largest difference {difference:.3e}")
        largest = max(largest, difference)
    good_mask = same_mask(expected.unseen, head.unseen)
    if options.export_dir:
        export(options.export_dir, model, head)
    verdict = SAME if largest <= options.tolerance and good_mask else DIFFERENT
    print(f"{'same' if verdict == SAME else 'DIFFERENT'}: largest difference {largest:.3e}, tolerance {options.tolerance:.1e}")
    return verdict


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--base", "--adapter", "--expected"):
        parser.add_argument(name, type=pathlib.Path, required=True)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--export-dir", type=pathlib.Path)
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    try:
        return check(parse(arguments))
    except Malformed as error:
        print(f"malformed: {error}", file=sys.stderr)
        return MALFORMED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

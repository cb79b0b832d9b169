"""The data of train_guard_peft.py: labelled replies from CSV files, as ids, in batches. It says there what the files hold."""

import csv
import gzip
import pathlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

import torch
from tokenizers import Tokenizer

PREFIX, INFIX, SUFFIX = "User:", "\n\nAgent:", "\n\nThe reply is"
SAFE, UNSAFE = " safe", " unsafe"
WINDOW = 16

csv.field_size_limit(1 << 30)


@dataclass(frozen=True)
class Reply:
    """A labelled reply to a question."""

    question: str
    text: str
    safe: bool


@dataclass(frozen=True)
class Example:
    """A reply as the guard reads it: ids of the whole prompt, and whether it is safe."""

    ids: list[int]
    safe: bool


def opened(path: pathlib.Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def rows(path: pathlib.Path, columns: set[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a table with their numbers, from 1."""
    with opened(path) as file:
        reader = csv.DictReader(file)
        missing = columns - set(reader.fieldnames or [])
        if missing:
            raise SystemExit(f"{path}: no column {', '.join(sorted(missing))}")
        yield from enumerate(reader, start=1)


def read_questions(path: pathlib.Path) -> dict[str, str]:
    return {row["index"]: row["text"] for _, row in rows(path, {"index", "text"})}


def read_replies(path: pathlib.Path, questions: dict[str, str]) -> list[Reply]:
    replies = []
    for number, row in rows(path, {"question", "Response", "label"}):
        if row["question"] not in questions:
            raise SystemExit(f"{path}: row {number}: no question {row['question']!r}")
        if row["label"] not in ("0", "1"):
            raise SystemExit(f"{path}: row {number}: expected label 0 or 1, found {row['label']!r}")
        replies.append(Reply(questions[row["question"]], row["Response"], row["label"] == "0"))
    if not replies:
        raise SystemExit(f"{path}: no replies")
    return replies


def first_of_a_shuffle(replies: list[Reply], limit: int, seed: int) -> list[Reply]:
    if limit == 0 or limit >= len(replies):
        return replies
    return random.Random(seed).sample(replies, limit)


class Prompts:
    """Turns replies into ids."""

    def __init__(self, base: pathlib.Path, max_reply_tokens: int) -> None:
        self.tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
        self.max_reply_tokens = max_reply_tokens
        self.prefix, self.infix, self.suffix = (self.encode(piece) for piece in (PREFIX, INFIX, SUFFIX))

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def answers(self) -> tuple[int, int]:
        """The ids that say safe and unsafe."""
        safe, unsafe = self.encode(SAFE)[0], self.encode(UNSAFE)[0]
        if safe == unsafe:
            raise SystemExit(f"{SAFE!r} and {UNSAFE!r} begin with the same token {safe}: this tokenizer cannot tell them apart")
        return safe, unsafe

    def example(self, reply: Reply) -> Example:
        cut = self.encode(reply.text)[: self.max_reply_tokens]
        return Example(self.prefix + self.encode(reply.question) + self.infix + cut + self.suffix, reply.safe)


def held_out(replies: list[Reply], train: list[Reply]) -> list[Reply]:
    """The replies whose text stands nowhere in the training file."""
    seen = {reply.text for reply in train}
    return [reply for reply in replies if reply.text not in seen]


def batches(examples: list[Example], size: int, generator: random.Random) -> Iterator[list[Example]]:
    """One epoch: shuffled, then sorted by length within windows of 16 batches, which come in a shuffled order."""
    order = examples.copy()
    generator.shuffle(order)
    for start in range(0, len(order), size * WINDOW):
        window = sorted(order[start : start + size * WINDOW], key=lambda example: len(example.ids))
        starts = list(range(0, len(window), size))
        generator.shuffle(starts)
        yield from (window[place : place + size] for place in starts)


def tensors(batch: list[Example]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids [batch, length] padded on the right with 0, and the places of the last tokens [batch]."""
    length = max(len(example.ids) for example in batch)
    ids = torch.tensor([example.ids + [0] * (length - len(example.ids)) for example in batch])
    return ids, torch.tensor([len(example.ids) - 1 for example in batch])

#!/usr/bin/env python3
"""Checks two tables of `quickstart --json`: the same but for seconds, enough prompts, numbers that can be.

usage: check_quickstart.py FIRST.json SECOND.json
"""

import json
import pathlib
import sys
from typing import Any

FIELDS = ("asr", "asr_low", "asr_high", "over_refusal", "tflop", "seconds", "prompts")
STRATEGIES = ["no defence", "best-of-n", "prm beam", "saffron"]


def table(path: str) -> list[dict[str, Any]]:
    return json.loads(pathlib.Path(path).read_text())["strategies"]


def check(line: dict[str, Any]) -> None:
    name = line["strategy"]
    missing = [field for field in FIELDS if field not in line]
    assert not missing, f"{name}: no {missing}"
    assert 0 <= line["asr_low"] <= line["asr"] <= line["asr_high"] <= 1, f"{name}: {line}"
    assert 0 <= line["over_refusal"] <= 1 and line["tflop"] > 0 and line["seconds"] > 0, f"{name}: {line}"
    assert line["attacked"] >= 100 and line["prompts"] - line["attacked"] >= 50, f"{name}: {line}"


def main() -> None:
    first, second = table(sys.argv[1]), table(sys.argv[2])
    assert [line["strategy"] for line in first] == STRATEGIES, first
    for line in first:
        check(line)
    for line, again in zip(first, second, strict=True):
        same = {name: value for name, value in line.items() if name != "seconds"}
        again = {name: value for name, value in again.items() if name != "seconds"}
        assert same == again, f"two runs differ:\n{same}\n{again}"
    seconds = sum(line["seconds"] for line in first)
    print(f"{len(first)} strategies, the same twice; the models took {seconds:.1f} s")


main()

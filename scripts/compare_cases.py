#!/usr/bin/env python3
"""Compares two case files: the same levels, rewards to 1e-3, the same outputs. Ends with status 1 and the first difference if not.

usage: compare_cases.py [--any-order] [--first] EXPECTED FOUND
       --any-order: within a level, sequences may stand in any order
       --first: FOUND has only the first prompts of EXPECTED (replay_case --prompts)
"""

import json
import sys


def same_reward(expected, found):
    if expected is None or found is None:
        return expected is found
    return abs(expected - found) < 1e-3


def difference(expected, found, any_order):
    if len(expected["cases"]) != len(found["cases"]):
        return "number of prompts"
    for place, (left, right) in enumerate(zip(expected["cases"], found["cases"])):
        for field in ("prompt", "policy_context", "output"):
            if left[field] != right[field]:
                return f"prompt {place}: {field}"
        if len(left["levels"]) != len(right["levels"]):
            return f"prompt {place}: number of levels"
        for level, (one, other) in enumerate(zip(left["levels"], right["levels"])):
            if any_order:
                one, other = (sorted(nodes, key=lambda node: node["tokens"]) for nodes in (one, other))
            if [node["tokens"] for node in one] != [node["tokens"] for node in other]:
                return f"prompt {place}, level {level}: sequences"
            if not all(same_reward(a["reward"], b["reward"]) for a, b in zip(one, other)):
                return f"prompt {place}, level {level}: rewards"
    return None


def main(arguments):
    any_order = "--any-order" in arguments
    files = [argument for argument in arguments if not argument.startswith("--")]
    expected, found = (json.load(open(path, encoding="utf-8")) for path in files)
    if "--first" in arguments and found["cases"]:
        expected["cases"] = expected["cases"][: len(found["cases"])]
    what = difference(expected, found, any_order)
    if what:
        raise SystemExit(f"{files[1]} differs from {files[0]}: {what}")
    levels = sum(len(case["levels"]) for case in expected["cases"])
    print(f"{files[0]}: {len(expected['cases'])} prompts, {levels} levels the same")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    main(sys.argv[1:])

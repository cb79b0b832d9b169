#!/usr/bin/env python3
"""From a run of `compare` that kept its answers' text, and the prompts it asked, to labelled replies.

usage: benign_replies.py RECORDS PROMPTS > REPLIES

Every answer to a harmless question that was looked at and is no refusal is a safe reply: {"id", "prompt", "reply", "safe"}, in the order of the records.
"""
import json
import sys

records, prompts = sys.argv[1:]
asked = {}
for line in open(prompts, encoding="utf-8"):
    row = json.loads(line)
    asked[row["id"]] = row["prompt"]
for line in open(records, encoding="utf-8"):
    record = json.loads(line)
    key, answer = record["key"], record["ending"].get("answered")
    if answer is None or answer["refused"] is not False or not (answer["text"] or "").strip():
        continue
    question = key["prompt"].split("/", 1)[1]
    reply = {"id": f"{question}/{key['strategy']}", "prompt": asked[question], "reply": answer["text"].strip(), "safe": True}
    print(json.dumps(reply, ensure_ascii=False))

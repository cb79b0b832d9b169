#!/usr/bin/env python3
"""Puts a finished run of `compare` away: its manifest and its records, zipped, without what the policy said.

usage: put_away.py RUN DIR

`compare --report DIR` makes every number of the run again. Answers' tokens and texts are left out; their lengths, rewards, judgements and
costs stay.
"""
import gzip
import json
import pathlib
import shutil
import sys

run, out = map(pathlib.Path, sys.argv[1:])
out.mkdir(parents=True, exist_ok=True)
shutil.copy(run / "manifest.json", out)
with open(out / "records.jsonl.gz", "wb") as file, gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as zipped:
    for line in open(run / "records.jsonl", encoding="utf-8"):
        record = json.loads(line)
        answer = record["ending"].get("answered")
        if answer is not None:
            answer.update(tokens=[], text=None)
        zipped.write((json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n").encode())

#!/usr/bin/env python3
"""Speaks the Hugging Face hub's endpoints on loopback for one model that lies in a directory, while a command runs.

usage: hub_server.py ORG/NAME DIRECTORY -- COMMAND…        the command finds the hub in HF_ENDPOINT and an empty cache in HF_HUB_CACHE
"""

import hashlib
import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

# From this size on the hub keeps files apart from Git.
LARGE = 10 << 20


def sums(path):
    """Checksums as the hub gives them: Git's of small files, SHA-256 of large ones."""
    git, sha256 = hashlib.sha1(f"blob {path.stat().st_size}\0".encode()), hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            git.update(part)
            sha256.update(part)
    if path.stat().st_size < LARGE:
        return {"blobId": git.hexdigest()}
    lfs = {"sha256": sha256.hexdigest(), "size": path.stat().st_size, "pointerSize": 134}
    return {"blobId": "0" * 40, "lfs": lfs}


def handler(model, directory):
    files = {path.name: path for path in sorted(directory.iterdir()) if path.is_file()}
    listed = [{"rfilename": name, "size": path.stat().st_size} | sums(path) for name, path in files.items()]
    commit = hashlib.sha1(json.dumps(listed).encode()).hexdigest()
    etags = {one["rfilename"]: one.get("lfs", {}).get("sha256") or one["blobId"] for one in listed}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.path.removesuffix("?blobs=true")
            if asked in (f"/api/models/{model}/revision/main", f"/api/models/{model}/revision/{commit}"):
                return self.send(200, json.dumps({"sha": commit, "siblings": listed}).encode())
            prefix = f"/{model}/resolve/{commit}/"
            path = files.get(self.path.removeprefix(prefix)) if self.path.startswith(prefix) else None
            if path is None:
                return self.send(404, b"")
            return self.send_part(path)

        def send(self, status, body):
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def send_part(self, path):
            size = path.stat().st_size
            first, _, last = self.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")
            first, last = int(first), min(int(last or size - 1), size - 1)
            self.send_response(206)
            self.send_header("content-length", str(last - first + 1))
            self.send_header("content-range", f"bytes {first}-{last}/{size}")
            self.send_header("etag", f'"{etags[path.name]}"')
            self.send_header("x-repo-commit", commit)
            self.end_headers()
            with path.open("rb") as file:
                file.seek(first)
                left = last - first + 1
                while left > 0:
                    part = file.read(min(left, 1 << 20))
                    self.wfile.write(part)
                    left -= len(part)

        def log_message(self, *_):
            pass

    return Handler


def main(model, directory, command):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(model, pathlib.Path(directory)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as cache:
        place = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HUB_CACHE": cache}
        return subprocess.run(command, env=os.environ | place, check=False).returncode


if __name__ == "__main__":
    if len(sys.argv) < 5 or sys.argv[3] != "--":
        raise SystemExit(__doc__)
    raise SystemExit(main(sys.argv[1], sys.argv[2], sys.argv[4:]))

#!/usr/bin/env python3
"""What check_tree_page.sh asserts of the documents that the browser made of a page.

usage: check_tree_page.py PAGE.html FOLDER (with dom.html, used.dom.html and the browser's logs)
"""

import json
import pathlib
import sys
from html.parser import HTMLParser

LOADS = {"src", "href", "srcset", "data", "action", "poster", "background"}


class Document(HTMLParser):
    """Tree items, attributes of the root element, attributes that could load something, and the embedded JSON."""

    def __init__(self, text):
        super().__init__()
        self.items, self.root, self.loads, self.handlers, self.json = [], {}, [], [], ""
        self.in_json = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.in_json = tag == "script" and attrs.get("type") == "application/json"
        self.loads += [f"<{tag} {name}>" for name in attrs if name in LOADS]
        self.handlers += [f"<{tag} {name}>" for name in attrs if name.startswith("on")]
        if tag == "html":
            self.root = attrs
        if attrs.get("role") == "treeitem":
            self.items.append(int(attrs["data-id"]))

    def handle_endtag(self, tag):
        self.in_json = False

    def handle_data(self, data):
        if self.in_json:
            self.json += data


def main(page, folder):
    page, folder = pathlib.Path(page).read_text(encoding="utf-8"), pathlib.Path(folder)
    read = lambda name: Document((folder / name).read_text(encoding="utf-8"))
    still, dom, used = Document(page), read("dom.html"), read("used.dom.html")
    nodes = json.loads(still.json)["nodes"]
    ids = [node["id"] for node in nodes]
    faults = []

    def check(what, expected, found):
        if expected != found:
            faults.append(f"{what}: expected {expected!r:.200}, found {found!r:.200}")

    check("tree items in the document", ids, dom.items)
    check("tree items in the page as written", ids, still.items)
    check("mark of the script", str(len(nodes)), dom.root.get("data-ready"))
    for name, document in [("page", dom), ("used page", used)]:
        check(f"script errors of the {name}", None, document.root.get("data-error"))
        check(f"attributes that load something in the {name}", [], document.loads)
        check(f"event handlers in the {name}", [], document.handlers)
    for text in ["url(", "@import", "fetch(", "XMLHttpRequest", "WebSocket", "sendBeacon"]:
        check(f"{text} in the page", False, text in page)
    for log in sorted(folder.glob("*.log")) + [folder / "log"]:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        check(f"console messages in {log.name}", [], [line for line in lines if "CONSOLE" in line])

    user = used.root
    check("visible nodes when the root is folded", "1", user.get("data-folded"))
    check("visible nodes when it is unfolded", str(len(nodes)), user.get("data-unfolded"))
    check("column after the right arrow", "2" if len(nodes) > 1 else "1", user.get("data-level"))
    check("node after the end key", True, "answer" in user.get("data-end", ""))
    check("visible nodes without the given-up ones", user.get("data-kept-expected"), user.get("data-kept"))
    given_up = [node for node in nodes if node["fate"] == "given up"]
    if given_up and given_up[0]["why"]:
        check("reason in the details", True, given_up[0]["why"][1:] in user.get("data-details", ""))

    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        sys.exit(1)
    print(f"{len(nodes)} nodes: the page is as it should be")


if __name__ == "__main__":
    main(*sys.argv[1:])

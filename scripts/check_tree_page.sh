#!/bin/sh
# Opens a page of a search tree (saffron-search: trace::tree::html) in headless Chromium and checks what came of it.
#
#   cargo test -p saffron-search the_tree_page_is_written
#   scripts/check_tree_page.sh target/tmp/search_tree.html [screenshot.png [WIDTH,HEIGHT [dark]]]
set -eu

page=${1:?"usage: $0 PAGE.html [screenshot.png [WIDTH,HEIGHT [dark]]]"}
screenshot=${2:-}
size=${3:-1600,1000}
scheme=${4:-light}
[ -r "$page" ] || { echo "$page: cannot be read" >&2; exit 1; }
command -v chromium >/dev/null || { apt-get install -y chromium >/dev/null; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

browse() { # browse PAGE LOG ARGUMENT...
    file=$(realpath "$1") log=$2
    shift 2
    timeout 120 chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
        --user-data-dir="$work/profile" --enable-logging=stderr --v=0 --window-size="$size" "$@" "file://$file" 2>"$log"
}

# A copy with a user: folds and unfolds, goes by keys, chooses a node that was given up.
cat >"$work/user.html" <<'USER'
<script>
{
  const root = document.documentElement.dataset;
  const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  const items = [...document.querySelectorAll("[role=treeitem]")];
  const visible = () => items.filter((item) => item.offsetParent !== null).length;
  items[0].click();
  press("Enter");
  root.folded = visible();
  press("ArrowRight");
  root.unfolded = visible();
  root.level = document.activeElement.ariaLevel;
  press("End");
  root.end = document.activeElement.className;
  const pruned = items.find((item) => item.classList.contains("given-up"));
  if (pruned) pruned.click();
  root.details = document.getElementById("details").textContent;
  document.getElementById("given-up").click();
  root.kept = visible();
  root.keptExpected = items.filter((item) => !item.classList.contains("given-up")).length;
}
</script>
USER
cat "$page" "$work/user.html" >"$work/used.html"

browse "$page" "$work/log" --dump-dom >"$work/dom.html"
browse "$work/used.html" "$work/used.log" --dump-dom >"$work/used.dom.html"
if [ -n "$screenshot" ]; then
    [ "$scheme" = dark ] && set -- --blink-settings=preferredColorScheme=0 || set --
    browse "$page" "$work/shot.log" --screenshot="$screenshot" "$@"
    [ -s "$screenshot" ] || { echo "no screenshot was made" >&2; exit 1; }
fi

python3 "$(dirname "$0")/check_tree_page.py" "$page" "$work"

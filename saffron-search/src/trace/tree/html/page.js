"use strict";
addEventListener("error", (event) => { document.documentElement.dataset.error = event.message; });

const { nodes, separator } = JSON.parse(document.getElementById("data").textContent);
const byId = new Map(nodes.map((node) => [node.id, { ...node, children: [] }]));
for (const node of byId.values()) {
  if (node.parent !== null) byId.get(node.parent).children.push(node.id);
}
const tree = document.getElementById("tree");
const details = document.getElementById("details");
const element = new Map([...tree.querySelectorAll("[data-id]")].map((item) => [Number(item.dataset.id), item]));
const line = new Map([...tree.querySelectorAll("[data-to]")].map((item) => [Number(item.dataset.to), item]));
const answer = nodes.filter((node) => node.fate === "answer");
const folded = new Set();
let chosen = 0;

const number = (value) => String(Math.round(value * 1000) / 1000 || 0).replace("-", "−");
const percent = (logprob) => `${(100 * Math.exp(logprob)).toPrecision(3)} %`;
const shown = (id) => element.get(id).offsetParent !== null;

function make(name, text, className) {
  const item = document.createElement(name);
  if (text !== undefined) item.textContent = text;
  if (className) item.className = className;
  return item;
}

function below(id) {
  const found = [];
  const open = [...byId.get(id).children];
  while (open.length) {
    const next = open.pop();
    found.push(next);
    open.push(...byId.get(next).children);
  }
  return found;
}

function fold(id) {
  if (!byId.get(id).children.length) return;
  if (!folded.delete(id)) folded.add(id);
  const hidden = new Set([...folded].flatMap(below));
  for (const [other, item] of element) {
    item.classList.toggle("folded", hidden.has(other));
    line.get(other)?.classList.toggle("folded", hidden.has(other));
  }
  const item = element.get(id);
  item.setAttribute("aria-expanded", String(!folded.has(id)));
  item.dataset.hidden = below(id).length;
}

function choose(id) {
  element.get(chosen).tabIndex = -1;
  element.get(chosen).removeAttribute("aria-selected");
  chosen = id;
  const item = element.get(id);
  item.tabIndex = 0;
  item.setAttribute("aria-selected", "true");
  item.focus({ preventScroll: true });
  item.scrollIntoView({ block: "nearest", inline: "nearest" });
  describe(byId.get(id));
}

function describe(node) {
  const parts = [make("h2", node.text)];
  const own = node.token === null ? "before the first token" : `token ${node.token} · probability ${percent(node.logprob)}`;
  parts.push(make("p", `${own} · reward ${node.reward === null ? "none" : number(node.reward)}`));
  if (node.fate === "answer") parts.push(make("p", "On the way to the answer.", "why"));
  if (node.why) parts.push(make("p", node.why[0].toUpperCase() + node.why.slice(1) + ".", "why"));
  if (!node.why && node.fate === "given up") parts.push(make("p", "All that continues it was given up.", "why"));
  if (node.token !== null) parts.push(make("p", soFar(node), "text"));
  if (node.beam) {
    const [first, last] = node.beam;
    parts.push(make("p", first === last ? `In the beam of level ${first}.` : `In the beam of levels ${first} to ${last}.`, "hint"));
  }
  if (node.scored) parts.push(...candidates(node.scored));
  details.replaceChildren(...parts);
}

/* The response up to a node. */
function soFar(node) {
  const texts = [];
  for (let at = node; at.token !== null; at = byId.get(at.parent)) texts.push(at.running);
  return texts.reverse().join(separator);
}

function candidates(scored) {
  const cut = scored.cut === null ? "" : ` · the beam's cut was ${number(scored.cut)}`;
  const text = `${scored.considered} candidates with ${(100 * scored.mass).toFixed(1)} % of the probability · ${scored.unseen} unseen${cut}`;
  const table = make("table");
  const head = table.createTHead().insertRow();
  for (const name of ["Token", "Prob.", "Reward", "What became of it"]) head.append(make("th", name));
  const body = table.createTBody();
  for (const candidate of scored.shown) body.append(row(candidate));
  const more = scored.considered - scored.shown.length;
  return [make("p", text), table, ...(more > 0 ? [make("p", `and ${more} more`, "hint")] : [])];
}

function row(candidate) {
  const item = make("tr");
  const reward = typeof candidate.reward === "number" ? number(candidate.reward) : candidate.reward;
  item.append(make("td", candidate.text, "token"), make("td", percent(candidate.logprob), "number"), make("td", reward, "number"));
  const fate = make("td", candidate.why ?? "");
  if (candidate.taken !== null) {
    const go = make("button", "taken: go there");
    go.type = "button";
    go.onclick = () => reveal(candidate.taken);
    fate.replaceChildren(go);
  }
  item.append(fate);
  return item;
}

/* Unfolds what hides a node, then chooses it. */
function reveal(id) {
  for (let above = byId.get(id).parent; above !== null; above = byId.get(above).parent) {
    if (folded.has(above)) fold(above);
  }
  if (byId.get(id).fate === "given up") document.getElementById("given-up").checked = true;
  choose(id);
}

/* The next visible node of the same column, upwards (-1) or downwards (1). */
function beside(id, step) {
  const depth = element.get(id).ariaLevel;
  const column = nodes.map((node) => node.id).filter((other) => element.get(other).ariaLevel === depth && shown(other));
  return column[column.indexOf(id) + step];
}

const keys = {
  ArrowLeft: (node) => node.parent,
  ArrowRight: (node) => { if (folded.has(node.id)) fold(node.id); return node.children.find(shown); },
  ArrowUp: (node) => beside(node.id, -1),
  ArrowDown: (node) => beside(node.id, 1),
  Home: () => 0,
  End: () => answer.at(-1)?.id,
  Enter: (node) => { fold(node.id); return node.id; },
  " ": (node) => { fold(node.id); return node.id; },
};

tree.addEventListener("keydown", (event) => {
  if (!keys[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  const next = keys[event.key](byId.get(chosen));
  if (next !== undefined && next !== null) reveal(next);
});
tree.addEventListener("click", (event) => {
  const item = event.target.closest("[data-id]");
  if (item && !tree.moved) choose(Number(item.dataset.id));
});
tree.addEventListener("dblclick", (event) => {
  const item = event.target.closest("[data-id]");
  if (item) fold(Number(item.dataset.id));
});
tree.addEventListener("pointerdown", (event) => {
  tree.moved = false;
  if (event.pointerType !== "mouse" || event.button !== 0) return;
  const from = { x: event.clientX + tree.scrollLeft, y: event.clientY + tree.scrollTop };
  const move = (to) => {
    tree.moved ||= Math.hypot(to.clientX - event.clientX, to.clientY - event.clientY) > 4;
    if (!tree.moved) return;
    tree.classList.add("dragged");
    tree.scrollTo(from.x - to.clientX, from.y - to.clientY);
  };
  const end = () => { tree.classList.remove("dragged"); removeEventListener("pointermove", move); };
  addEventListener("pointermove", move);
  addEventListener("pointerup", end, { once: true });
});

const toAnswer = document.getElementById("to-answer");
toAnswer.hidden = answer.length === 0;
toAnswer.onclick = () => reveal(answer.at(-1).id);
document.querySelector(".keys").hidden = false;
describe(byId.get(0));
/* An address that ends in #7 opens at node 7. */
const named = Number(location.hash.slice(1));
if (byId.has(named) && location.hash) reveal(named);
document.documentElement.dataset.ready = String(element.size);

// The graph of a run as SVG: drawn when its structure changes, repainted when states change.

import { button, h, s, setAttr, setText } from "./dom.js";
import { SETTLED, SIGNS, STATES, URGENT, number, percent, word } from "./words.js";

const LINE = 17;
const CLOSE = 2.5;
const FAR = 0.08;
/** Below this, labels cannot be read: a large graph begins at its top instead of whole. */
const READABLE = 0.75;

/** Returns the state that a node of several tasks is told by, and how many are in each. */
export function countStates(tasks, stateOf) {
  const counts = {};
  for (const id of tasks) {
    const state = stateOf(id);
    counts[state] = (counts[state] ?? 0) + 1;
  }
  return { counts, state: URGENT.find((each) => counts[each]) };
}

/** Gives the state of each task that a graph tells of. */
export function* statesOf(graph) {
  for (const node of graph.nodes) {
    if (node.kind === "task") yield [node.id, node.state, node];
    else if (node.kind === "fold") {
      for (let at = 0; at < node.tasks.length; at += 1) {
        yield [node.tasks[at], STATES[parseInt(node.states[at], 16)], node];
      }
    }
  }
}

export class GraphView {
  /**
   * open(node) is called for the node that is chosen; describe(id) gives what is known of a task.
   */
  constructor({ open, describe }) {
    this.open = open;
    this.describe = describe;
    this.graph = null;
    this.nodes = new Map();
    this.parts = new Map();
    this.lines = [];
    this.at = { x: 0, y: 0, k: 1 };
    this.focus = null;
    this.chosen = null;
    this.from = null;
    this.world = s("g", { class: "world" });
    this.svg = s("svg", { class: "graph", role: "application", tabindex: "-1", "aria-roledescription": "graph" }, marks(), this.world);
    this.element = h("div", { class: "canvas" }, this.svg, h("div", { class: "zoom", role: "group", "aria-label": "Zoom" },
      button("+", () => this.zoom(1.25), { "aria-label": "Closer", class: "icon" }),
      button("−", () => this.zoom(0.8), { "aria-label": "Farther", class: "icon" }),
      button("⤢", () => this.fit(), { "aria-label": "Show all of it", title: "Show all of it (0)", class: "icon" })));
    this.fitted = false;
    listen(this);
  }

  /** Draws a graph; what was in the middle, or chosen, stays where it is on the screen. */
  draw(graph) {
    const anchor = this.graph && this.anchor(graph);
    const held = document.activeElement?.closest?.(".node")?.dataset.id;
    this.graph = graph;
    this.nodes = new Map(graph.nodes.map((node) => [node.id, node]));
    this.after = new Map();
    this.before = new Map();
    for (const edge of graph.edges) {
      if (edge.kind === "may") continue;
      push(this.after, edge.from, edge.to);
      push(this.before, edge.to, edge.from);
    }
    this.lines = graph.edges.map((edge) => lineOf(edge, this.nodes));
    this.parts = new Map();
    for (const node of graph.nodes) this.parts.set(node.id, partOf(node));
    const order = [...graph.nodes].sort((a, b) => a.y - b.y || a.x - b.x);
    this.world.replaceChildren(
      s("g", { class: "edges", "aria-hidden": "true" }, this.lines.map((line) => line.element)),
      s("g", { class: "nodes" }, order.map((node) => this.parts.get(node.id).element)));
    setAttr(this.svg, "aria-label", `Graph of ${graph.title}: ${graph.nodes.length} nodes. Arrow keys walk along the edges, Enter opens. The tab Tasks lists the same.`);
    squeeze(this.parts.values());
    this.order = order.filter((node) => node.kind !== "joint").map((node) => node.id);
    if (!this.nodes.has(this.focus)) this.focus = this.order[0] ?? null;
    this.rove();
    if (this.chosen !== null) this.choose(this.chosen);
    if (anchor) this.keep(anchor);
    if (held && this.parts.has(held)) this.parts.get(held).element.focus({ preventScroll: true });
  }

  /** Paints states: of each task by stateOf, which gives nothing for one that is not there. */
  paint(stateOf) {
    for (const [id, part] of this.parts) {
      const node = part.node;
      if (node.kind === "task") paintTask(part, stateOf(id), this.describe(id));
      else if (node.kind === "fold") paintFold(part, countStates(node.tasks, (each) => stateOf(each)?.state ?? "pending"));
    }
  }

  /** Shows which tasks fit a search: the others step back. */
  mark(fits) {
    for (const { node, element } of this.parts.values()) {
      element.classList.toggle("dim", fits !== null && node.kind !== "joint" && !fits(node));
    }
  }

  /** Marks the node of a task as chosen. */
  choose(id) {
    this.chosen = id;
    const shown = this.nodeOf(id);
    for (const [each, part] of this.parts) part.element.classList.toggle("chosen", each === shown);
    for (const { edge, element, path } of this.lines) {
      const near = shown !== null && (edge.from === shown || edge.to === shown);
      element.classList.toggle("near", near);
      if (path.hasAttribute("marker-end")) path.setAttribute("marker-end", near ? "url(#tip-near)" : "url(#tip)");
    }
    if (shown !== null) {
      this.focus = shown;
      this.rove();
    }
  }

  /** Returns the id of the node in which a task is drawn. */
  nodeOf(id) {
    if (id === null || this.graph === null) return null;
    if (this.nodes.has(id)) return id;
    return this.graph.nodes.find((node) => node.tasks?.includes(id))?.id ?? null;
  }

  // --- where the view is

  /** Begins with all of it, or with the top if all of it could not be read. */
  begin() {
    if (this.fitted || !this.graph || !this.svg.clientWidth) return;
    this.fitted = true;
    const { width, height } = this.graph;
    const fit = Math.min(this.svg.clientWidth / width, this.svg.clientHeight / height, 1);
    if (fit >= READABLE) {
      this.fit();
      return;
    }
    const k = Math.max(READABLE, Math.min(1, this.svg.clientWidth / width));
    const first = this.nodes.get(this.order[0]);
    const gap = this.svg.clientWidth - width * k;
    // The first node in the middle, as far as nothing stays empty beside the graph for that.
    const x = gap >= 0 ? gap / 2 : Math.max(gap, Math.min(0, this.svg.clientWidth / 2 - (first.x + first.w / 2) * k));
    this.move({ x, y: Math.max(0, (this.svg.clientHeight - height * k) / 2), k });
  }

  fit() {
    const { width, height } = this.graph;
    const k = Math.max(FAR, Math.min(this.svg.clientWidth / width, this.svg.clientHeight / height, 1.2));
    this.move({ x: (this.svg.clientWidth - width * k) / 2, y: Math.max(0, (this.svg.clientHeight - height * k) / 2), k });
  }

  move(at) {
    this.at = at;
    this.world.setAttribute("transform", `translate(${at.x.toFixed(2)} ${at.y.toFixed(2)}) scale(${at.k.toFixed(4)})`);
    this.svg.classList.toggle("far", at.k < 0.4);
  }

  zoom(by, x = this.svg.clientWidth / 2, y = this.svg.clientHeight / 2) {
    const k = Math.min(CLOSE, Math.max(FAR, this.at.k * by));
    const real = k / this.at.k;
    this.move({ x: x - (x - this.at.x) * real, y: y - (y - this.at.y) * real, k });
  }

  anchor(next) {
    const there = new Map(next.nodes.map((node) => [node.id, node]));
    const { x, y, k } = this.at;
    const middle = { x: (this.svg.clientWidth / 2 - x) / k, y: (this.svg.clientHeight / 2 - y) / k };
    const far = (node) => Math.hypot(node.x + node.w / 2 - middle.x, node.y + node.h / 2 - middle.y);
    const both = this.graph.nodes.filter((node) => there.has(node.id));
    const wanted = this.nodeOf(this.chosen) ?? this.focus;
    const old = both.find((node) => node.id === wanted && this.isSeen(node)) ?? both.sort((a, b) => far(a) - far(b))[0];
    return old ? { old, now: there.get(old.id) } : null;
  }

  keep({ old, now }) {
    const { x, y, k } = this.at;
    this.move({ x: x + (old.x - now.x) * k, y: y + (old.y - now.y) * k, k });
  }

  isSeen(node) {
    const { x, y, k } = this.at;
    const left = node.x * k + x;
    const top = node.y * k + y;
    return left >= 0 && top >= 0 && left + node.w * k <= this.svg.clientWidth && top + node.h * k <= this.svg.clientHeight;
  }

  /** Moves the view as little as it takes to see a node. */
  reveal(id) {
    const node = this.nodes.get(id);
    if (!node || !this.svg.clientWidth || this.isSeen(node)) return;
    const { k } = this.at;
    const shift = (start, size, room) => {
      if (start < 16) return 16 - start;
      return start + size > room - 16 ? room - 16 - start - size : 0;
    };
    this.move({
      x: this.at.x + shift(node.x * k + this.at.x, node.w * k, this.svg.clientWidth),
      y: this.at.y + shift(node.y * k + this.at.y, node.h * k, this.svg.clientHeight),
      k,
    });
  }

  // --- the keyboard

  /** One node can be reached by Tab; from there the arrows lead on. */
  rove() {
    for (const [id, part] of this.parts) {
      if (part.node.kind !== "joint") part.element.setAttribute("tabindex", id === this.focus ? "0" : "-1");
    }
  }

  step(id) {
    if (id === null || id === undefined) return;
    this.from = this.focus;
    this.focus = id;
    this.rove();
    this.reveal(id);
    this.parts.get(id).element.focus({ preventScroll: true });
  }

  /** Returns the nodes in front of or behind one, looking through joints, nearest first. */
  beside(id, edges) {
    const found = [];
    const stack = [...(edges.get(id) ?? [])];
    while (stack.length) {
      const next = stack.shift();
      if (this.nodes.get(next)?.kind === "joint") stack.push(...(edges.get(next) ?? []));
      else if (!found.includes(next)) found.push(next);
    }
    const here = middleOf(this.nodes.get(id));
    return found.sort((a, b) => Math.abs(middleOf(this.nodes.get(a)) - here) - Math.abs(middleOf(this.nodes.get(b)) - here));
  }

  press(event) {
    const here = this.nodes.get(this.focus);
    if (!here) return false;
    switch (event.key) {
      case "ArrowDown": {
        const found = this.beside(this.focus, this.after);
        this.step(found.includes(this.from) ? this.from : found[0]);
        return true;
      }
      case "ArrowUp": {
        const found = this.beside(this.focus, this.before);
        this.step(found.includes(this.from) ? this.from : found[0]);
        return true;
      }
      case "ArrowLeft":
      case "ArrowRight": {
        const way = event.key === "ArrowLeft" ? -1 : 1;
        const row = this.order.map((id) => this.nodes.get(id)).filter((node) =>
          (middleOf(node) - middleOf(here)) * way > 0 && node.y < here.y + here.h && here.y < node.y + node.h);
        row.sort((a, b) => (middleOf(a) - middleOf(b)) * way);
        this.step(row[0]?.id);
        return true;
      }
      case "Home":
        this.step(this.order[0]);
        return true;
      case "End":
        this.step(this.order.at(-1));
        return true;
      case "Enter":
      case " ":
        this.open(here);
        return true;
      default:
        return false;
    }
  }
}

function push(map, key, value) {
  if (map.has(key)) map.get(key).push(value);
  else map.set(key, [value]);
}

const middleOf = (node) => node.x + node.w / 2;

// --- drawing ------------------------------------------------------------------------------------

function marks() {
  const mark = (id) => s("marker", { id, viewBox: "0 0 10 10", refX: "9", refY: "5", markerWidth: "8", markerHeight: "8", orient: "auto-start-reverse", markerUnits: "userSpaceOnUse" },
    s("path", { d: "M0 1 9 5 0 9z" }));
  return s("defs", {}, mark("tip"), mark("tip-near"), s("pattern", { id: "hatch", width: "7", height: "7", patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    s("path", { d: "M0 0V7", class: "hatch" })));
}

function lineOf(edge, nodes) {
  const [first, ...rest] = edge.points;
  const d = `M${first.join(" ")}C${rest.map((point) => point.join(" ")).join(" ")}`;
  const path = s("path", { d, class: "line", fill: "none" });
  if (nodes.get(edge.to)?.kind !== "joint") path.setAttribute("marker-end", "url(#tip)");
  if (edge.color) path.style.stroke = edge.color;
  const element = s("g", { class: `edge e-${edge.kind}` }, path);
  if (edge.label && edge.label_at) {
    element.append(s("text", { x: edge.label_at[0], y: edge.label_at[1] + 4, class: "said" }, edge.label.slice(0, 24)));
  }
  const kind = { may: "may still be added", hole: "where something may still come", certain: "" }[edge.kind];
  element.append(s("title", {}, `${edge.from} → ${edge.to}${kind ? ` (${kind})` : ""}`));
  return { edge, element, path };
}

function partOf(node) {
  const { x, y, w, h: height } = node;
  if (node.kind === "joint") {
    return { node, element: s("g", { class: "joint", transform: `translate(${x} ${y})` }, s("circle", { cx: w / 2, cy: height / 2, r: 3.5 })) };
  }
  const body = s("rect", { class: "body", width: w, height });
  const inner = s("rect", { class: "inner", x: 3.5, y: 3.5, width: w - 7, height: height - 7 });
  const label = node.lines.map((line, at) => s("text", { class: "label", x: w / 2, y: 21 + at * LINE }, line));
  const top = 21 + node.lines.length * LINE;
  const said = s("text", { class: "word", x: w / 2, y: top });
  const element = s("g", { class: `node ${node.kind}`, transform: `translate(${x} ${y})`, role: "button", data: { id: node.id } }, body, inner, label, said);
  const part = { node, element, label, said, body, told: null, title: s("title") };
  element.prepend(part.title);
  if (node.kind === "hole") paintHole(part);
  if (node.kind === "fold") {
    part.bar = s("g", { class: "bar", transform: `translate(14 ${height - 14})` });
    element.append(part.bar);
  }
  if (node.color) paintOwn(part, node.color);
  return part;
}

/** Squeezes texts that are wider than their nodes: sizes were computed without the browser's fonts. */
function squeeze(parts) {
  const wide = [];
  for (const { node, label, said } of parts) {
    for (const text of [...(label ?? []), said].filter(Boolean)) {
      const room = node.w - 14;
      if (text.textContent && text.getComputedTextLength() > room) wide.push([text, room]);
    }
  }
  for (const [text, room] of wide) {
    text.setAttribute("textLength", room);
    text.setAttribute("lengthAdjust", "spacingAndGlyphs");
  }
}

/** Gives a node the colour that somebody asked for, and a text that reads on it. */
function paintOwn(part, colour) {
  const channel = (at) => {
    const value = parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  const light = 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
  part.body.style.fill = colour;
  for (const text of [...part.label, part.said]) text.style.fill = light > 0.18 ? "#000" : "#fff";
}

function paintHole(part) {
  const { node } = part;
  const owners = node.owners.length ? ` by ${node.owners.slice(0, 3).join(", ")}` : "";
  setText(part.said, node.sub?.[0] ?? "may still come");
  for (const [at, line] of (node.sub ?? []).slice(1).entries()) {
    part.element.append(s("text", { class: "word", x: node.w / 2, y: 21 + (node.lines.length + at + 1) * LINE - 2 * (at + 1) }, line));
  }
  const full = `may still come${owners}: ${node.label}${node.shape && node.shape !== node.label ? ` (${node.shape})` : ""}${node.note ? ` · ${node.note}` : ""}`;
  setText(part.title, full);
  part.element.setAttribute("aria-label", full);
}

function paintTask(part, now, about) {
  const { node } = part;
  const state = now?.state ?? node.state ?? "pending";
  const extra = [];
  if (now?.attempts > 1) extra.push(`attempt ${now.attempts}`);
  else if (now?.generation > 1) extra.push(`again ${now.generation}`);
  if (node.critical) extra.push("critical");
  const told = [state, ...extra].join("|");
  if (part.told === told && part.about === about) return;
  part.told = told;
  part.about = about;
  restate(part, state);
  setText(part.said, [`${SIGNS[state]} ${word(state)}`, ...extra].join(" · "));
  fitWord(part);
  const reason = now?.reason ? `: ${now.reason}` : "";
  const label = `${node.label}, ${word(state)}${extra.length ? `, ${extra.join(", ")}` : ""}${reason}`;
  setText(part.title, node.id === node.label ? label : `${label} (${node.id})`);
  setAttr(part.element, "aria-label", about ? `${label}; ${about}` : label);
}

function paintFold(part, { counts, state }) {
  const { node } = part;
  const told = URGENT.map((each) => counts[each] ?? 0).join();
  if (part.told === told) return;
  part.told = told;
  restate(part, state);
  const total = node.tasks.length;
  const done = Object.entries(counts).reduce((sum, [one, n]) => sum + (SETTLED.has(one) ? n : 0), 0);
  const share = done < total ? ` · ${percent(done, total)} % done` : "";
  setText(part.said, `${SIGNS[state]} ${counts[state] < total ? number(counts[state]) : "all"} ${word(state)}${share}`);
  fitWord(part);
  const width = node.w - 28;
  let x = 0;
  const pieces = [...URGENT].reverse().filter((each) => counts[each]).map((each) => {
    const w = (width * counts[each]) / total;
    const piece = s("rect", { class: `s-${each}`, x, width: Math.max(w, 2), height: 6 });
    x += w;
    return piece;
  });
  part.bar.replaceChildren(...pieces, s("rect", { class: "rim", width, height: 6 }));
  const each = URGENT.filter((one) => counts[one]).map((one) => `${number(counts[one])} ${word(one)}`).join(", ");
  const label = `${node.label}, ${number(total)} tasks: ${each}; ${percent(done, total)} % done`;
  setText(part.title, label);
  setAttr(part.element, "aria-label", label);
}

function fitWord({ node, said }) {
  const room = node.w - 14;
  said.removeAttribute("textLength");
  // Measuring costs a layout: only what may be too wide is measured.
  if (said.textContent.length * 7 > room && said.getComputedTextLength() > room) {
    said.setAttribute("textLength", room);
    said.setAttribute("lengthAdjust", "spacingAndGlyphs");
  }
}

function restate(part, state) {
  if (part.state) part.element.classList.remove(`s-${part.state}`);
  part.element.classList.add(`s-${state}`);
  part.state = state;
}

// --- the mouse ----------------------------------------------------------------------------------

function listen(view) {
  const { svg } = view;
  let drag = null;
  let dragged = false;
  svg.addEventListener("pointerdown", (event) => {
    dragged = false;
    if (event.button !== 0) return;
    drag = { x: event.clientX, y: event.clientY, at: view.at, moved: false, id: event.pointerId };
  });
  svg.addEventListener("pointermove", (event) => {
    if (!drag || drag.id !== event.pointerId) return;
    const x = event.clientX - drag.x;
    const y = event.clientY - drag.y;
    if (!drag.moved && Math.hypot(x, y) < 4) return;
    if (!drag.moved) svg.setPointerCapture(drag.id);
    drag.moved = true;
    view.move({ ...drag.at, x: drag.at.x + x, y: drag.at.y + y });
  });
  svg.addEventListener("pointerup", () => {
    dragged = drag?.moved ?? false;
    drag = null;
  });
  svg.addEventListener("pointercancel", () => {
    drag = null;
  });
  svg.addEventListener("click", (event) => {
    if (dragged) return; // it was the end of moving the graph
    const id = event.target.closest?.(".node")?.dataset.id;
    if (id !== undefined) view.open(view.nodes.get(id));
  });
  svg.addEventListener("focusin", (event) => {
    const id = event.target.closest?.(".node")?.dataset.id;
    if (id !== undefined && id !== view.focus) {
      view.focus = id;
      view.rove();
    }
    if (id !== undefined) view.reveal(id);
  });
  svg.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.(".node") && view.press(event)) event.preventDefault();
  });
  svg.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = svg.getBoundingClientRect();
    if (event.ctrlKey || event.metaKey) view.zoom(Math.exp(-event.deltaY / 200), event.clientX - box.left, event.clientY - box.top);
    else view.move({ ...view.at, x: view.at.x - event.deltaX, y: view.at.y - event.deltaY });
  }, { passive: false });
}

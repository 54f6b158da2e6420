// One run: its graph, tasks, events and logs, what it is about, and what one can do to it.

import { ask, fetchBlob } from "./api.js";
import { confirmDialog, openDialog } from "./dialogs.js";
import { button, fresh, h, setAttr, setText, throttled } from "./dom.js";
import { History, TimeLine, eventList } from "./events.js";
import { GraphView, statesOf } from "./graph.js";
import { logView } from "./logs.js";
import { RunModel } from "./model.js";
import { RunPanel, TaskPanel } from "./panel.js";
import { runBadge, setBadge } from "./runs.js";
import { TaskList } from "./tasks.js";
import { SETTLED, SIGNS, STATES, count, number, percent, took, word } from "./words.js";

const TABS = { graph: "Graph", tasks: "Tasks", events: "Events", logs: "Logs" };
/** Beyond this many tasks the graph is folded anyway, and each of them is not offered. */
const EACH_MAX = 400;
const PICTURES = ["svg", "png", "pdf", "dot", "mmd", "json"];
const LOUD = new Set(["failed", "waiting", "cancelled", "upstream_failed", "not_ready"]);

export function showRun(shell, id, query) {
  return new RunView(shell, id, query);
}

class RunView {
  constructor(shell, id, query) {
    this.shell = shell;
    this.id = id;
    this.tab = "graph";
    this.task = null;
    this.at = null;
    this.past = null;
    this.panel = null;
    this.logs = null;
    this.heads = {};
    this.model = new RunModel(id, {
      run: () => this.drawRun(),
      tasks: (ids) => this.takeTasks(ids),
      graph: () => this.drawGraph(),
      events: (events) => this.takeEvents(events),
      connected: (is) => shell.connected(is),
      failed: (error) => this.fail(error),
      noGraph: (error) => this.noGraph(error),
    });
    this.history = new History(this.model);
    this.repaint = throttled(100, () => this.paint());
    this.relist = throttled(250, () => this.drawTasks());
    this.repanel = throttled(400, () => this.panel?.refresh());
    this.recount = throttled(150, () => this.drawProgress());
    this.build();
    this.read(query);
    this.model.open().then(() => this.opened(), (error) => this.fail(error));
  }

  // --- what there is

  build() {
    const { shell } = this;
    this.badge = runBadge({ state: "pending", paused: false });
    this.name = h("h1", {}, "…");
    this.reason = h("p", { class: "reason", hidden: true });
    this.bar = h("progress", { max: "100", value: 0, "aria-label": "Progress" });
    this.done = h("span", { class: "done" });
    this.chips = h("ul", { class: "counts", "aria-label": "Tasks by state; choose which are listed" });
    this.acts = h("div", { class: "acts" });
    this.search = h("input", { type: "search", placeholder: "Find a task", "aria-label": "Find a task", autocomplete: "off" });
    this.search.addEventListener("input", throttled(120, () => this.find(this.search.value.trim())));
    this.search.addEventListener("keydown", (event) => event.key === "Enter" && this.findFirst());
    this.fold = h("label", { class: "radio", hidden: true }, h("input", { type: "checkbox", on: { change: (event) => this.unfold(event.target.checked) } }), "each task");
    this.tabs = h("div", { class: "tabs", role: "tablist", "aria-label": "Ways to look" });
    this.pages = {};
    this.graph = new GraphView({ open: (node) => this.openNode(node), describe: (each) => this.describe(each) });
    this.list = new TaskList({ open: (each) => this.open(each), filtered: () => this.pressChips() });
    this.events = eventList({ go: (n) => this.timeline.set(n >= this.model.last ? null : n) });
    this.banner = h("p", { class: "past", hidden: true }, "You see the run as it was. ", button("Back to now", () => this.timeline.set(null), { class: "link" }));
    this.drawing = h("div", { class: "drawing" }, "The graph is being laid out…");
    this.graph.element.append(this.drawing);
    const inside = { graph: this.graph.element, tasks: this.list.element, events: this.events.element, logs: h("div", { class: "all-logs" }) };
    for (const [key, title] of Object.entries(TABS)) this.addTab(key, title, inside[key]);
    this.tabs.addEventListener("keydown", (event) => this.pressTab(event));
    this.timeline = new TimeLine({ go: (n) => this.goTo(n) });
    this.aside = h("aside", { class: "aside", "aria-label": "Details" });
    shell.main.className = "run";
    shell.main.append(
      h("header", { class: "head" }, h("div", { class: "bar" }, this.name, this.badge, h("div", { class: "progress" }, this.bar, this.done), this.acts), this.reason, this.chips),
      h("div", { class: "work" },
        h("div", { class: "stage" }, h("div", { class: "tab-bar" }, this.tabs, this.fold, this.search), this.banner, Object.values(this.pages), this.timeline.element),
        this.aside));
    shell.crumbs(h("a", { href: "#/" }, "Runs"), h("span", { "aria-current": "page" }, this.id));
    shell.title(this.id);
    this.overview = new RunPanel({ shell, model: this.model, open: (each) => this.open(each) });
    new ResizeObserver(() => this.graph.begin()).observe(this.graph.element);
  }

  addTab(key, title, content) {
    const page = h("div", { role: "tabpanel", class: `page p-${key}`, id: fresh("page"), hidden: true }, content);
    const tab = h("button", { type: "button", role: "tab", id: fresh("tab"), "aria-controls": page.id, on: { click: () => this.show(key) } }, title);
    page.setAttribute("aria-labelledby", tab.id);
    this.pages[key] = page;
    this.heads[key] = tab;
    this.tabs.append(tab);
  }

  close() {
    this.model.close();
    this.panel?.close();
    this.overview.close();
    this.logs?.close();
    for (const each of [this.repaint, this.relist, this.repanel, this.recount]) each.cancel();
  }

  opened() {
    if (this.model.id !== this.id) {
      this.id = this.model.id;
      this.remember();
    }
    if (this.task === null) this.openPanel(null);
    else this.open(this.task);
    if (this.at !== null) this.timeline.set(this.at);
  }

  fail(error) {
    if (error.status === 404 && !this.model.run) {
      this.shell.main.replaceChildren(h("div", { class: "empty" }, h("p", {}, error.message), h("p", {}, h("a", { href: "#/" }, "All runs"))));
      return;
    }
    this.shell.fail(error);
  }

  /** Shows the list where the graph could not be laid out; something else may be tried again. */
  noGraph(error) {
    const again = button("Try again", () => {
      this.drawing.remove();
      this.model.loadGraph().catch((wrong) => this.fail(wrong));
    });
    this.drawing.className = "drawing empty";
    this.drawing.replaceChildren(h("p", {}, error.message), button("Show the tasks as a list", () => this.show("tasks")), this.model.drawable ? again : "");
    this.graph.element.append(this.drawing);
    if (this.tab === "graph") this.show("tasks");
  }

  // --- the address

  read(query) {
    const tab = query.get("tab");
    const at = Number(query.get("at")) || null;
    this.show(tab in TABS ? tab : "graph", { quiet: true });
    this.task = query.get("task");
    if (this.model.run) {
      if (this.task !== (this.panel?.id ?? null)) this.openPanel(this.task);
      if (at !== this.at) this.timeline.set(at);
    } else {
      this.at = at;
    }
  }

  update(query) {
    this.read(query);
  }

  remember() {
    const kept = new URLSearchParams();
    if (this.tab !== "graph") kept.set("tab", this.tab);
    if (this.task !== null) kept.set("task", this.task);
    if (this.at !== null) kept.set("at", String(this.at));
    this.shell.replace(`#/runs/${encodeURIComponent(this.id)}${String(kept) ? `?${kept}` : ""}`);
  }

  // --- tabs

  show(key, { quiet = false } = {}) {
    this.tab = key;
    for (const each of Object.keys(TABS)) {
      this.pages[each].hidden = each !== key;
      setAttr(this.heads[each], "aria-selected", each === key ? "true" : "false");
      this.heads[each].tabIndex = each === key ? 0 : -1;
    }
    if (key === "graph") {
      this.graph.begin();
      this.paint();
    }
    if (key === "tasks") this.drawTasks();
    if (key === "events") this.history.load(() => this.drawEvents()).catch((error) => this.shell.fail(error));
    if (key !== "logs" && this.logs) {
      this.logs.close(); // its line is not kept for what nobody sees
      this.logs = null;
    }
    if (key === "logs" && !this.logs) {
      this.logs = logView(this.shell, this.id, null, { ended: () => this.model.ended, open: (id) => this.open(id) });
      this.pages.logs.firstChild.replaceChildren(this.logs.element);
    }
    this.pressChips();
    if (!quiet) this.remember();
  }

  pressTab(event) {
    const order = Object.keys(TABS);
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const next = order[(order.indexOf(this.tab) + by + order.length) % order.length];
    this.show(next);
    this.heads[next].focus();
  }

  press(event) {
    switch (event.key) {
      case "g":
      case "t":
      case "e":
      case "l":
        this.show({ g: "graph", t: "tasks", e: "events", l: "logs" }[event.key]);
        this.focusPage();
        return true;
      case "u":
        this.shell.go("#/");
        return true;
      case ",":
      case ".":
        this.timeline.step(event.key === "," ? -1 : 1);
        return true;
      case "Escape":
        if (this.task !== null) this.closeTask();
        return true;
      case "+":
      case "=":
        this.graph.zoom(1.25);
        return true;
      case "-":
        this.graph.zoom(0.8);
        return true;
      case "0":
        if (this.graph.graph) this.graph.fit();
        return true;
      default:
        return false;
    }
  }

  focusPage() {
    const wanted = { graph: ".node[tabindex='0']", tasks: ".scroller", events: ".scroller", logs: ".lines" }[this.tab];
    this.pages[this.tab].querySelector(wanted)?.focus({ preventScroll: true });
  }

  // --- what changes

  /** The graph that is shown: of now, or of the past. */
  get shown() {
    return this.past?.graph ?? this.model.graph;
  }

  stateOf(id) {
    return this.past ? this.past.states.get(id) : this.model.tasks.get(id);
  }

  describe(id) {
    const needs = this.model.tasks.get(id)?.needs;
    return needs?.length ? `runs after ${needs.slice(0, 3).join(", ")}${needs.length > 3 ? ` and ${needs.length - 3} more` : ""}` : "";
  }

  takeTasks(ids) {
    for (const id of ids) {
      const { state, label } = this.model.tasks.get(id);
      if (this.before?.get(id) !== undefined && this.before.get(id) !== state) {
        if (LOUD.has(state) || ids.length <= 3) this.shell.say(`${label ?? id}: ${word(state)}`);
      }
      (this.before ??= new Map()).set(id, state);
    }
    this.recount();
    this.repaint();
    if (this.tab === "tasks") this.relist();
    if (this.panel === this.overview || ids.includes(this.task)) this.repanel();
  }

  takeEvents(events) {
    this.timeline.grow(this.model.last);
    if (this.history.take(events) && this.tab === "events") this.drawEvents();
  }

  drawRun() {
    const { run } = this.model;
    setBadge(this.badge, this.past?.graph.run ?? run);
    setText(this.name, run.workflow);
    setText(this.reason, run.reason ?? "");
    this.reason.hidden = !run.reason;
    this.shell.title(`${run.workflow} ${word(run.state)}`);
    const state = `${run.state}${run.paused ? ", paused" : ""}`;
    if (this.saidState !== undefined && this.saidState !== state) this.shell.say(`run ${word(state)}`);
    this.saidState = state;
    this.timeline.grow(this.model.last);
    this.drawActs();
    this.recount();
  }

  drawProgress() {
    const { run } = this.model;
    if (!run) return;
    const counts = {};
    for (const { state } of this.past ? this.past.states.values() : this.model.tasks.values()) counts[state] = (counts[state] ?? 0) + 1;
    const known = Object.values(counts).reduce((sum, n) => sum + n, 0);
    const done = Object.entries(counts).reduce((sum, [state, n]) => sum + (SETTLED.has(state) ? n : 0), 0);
    const share = percent(done, known);
    const more = this.shown?.nodes.some((node) => node.kind === "hole");
    this.bar.value = share;
    setText(this.done, `${share} % of ${count(known, "task")} done${more ? ", more may come" : ""}${run.ended_at && !this.past ? ` in ${took(run.started_at ?? run.created_at, run.ended_at)}` : ""}`);
    const shown = STATES.filter((state) => counts[state]);
    if (this.chipsFor !== shown.join()) {
      this.chipsFor = shown.join();
      this.chips.replaceChildren(...shown.map((state) => h("li", {}, button("", () => this.only(state), { class: `chip s-${state}`, data: { state } }))));
      this.pressChips();
    }
    shown.forEach((state, at) => setText(this.chips.children[at].firstChild, `${SIGNS[state]} ${number(counts[state])} ${word(state)}`));
  }

  /** Lists the tasks in a state, or no longer only these. */
  only(state) {
    if (this.tab === "tasks") this.list.toggle(state);
    else this.list.states = new Set([state]);
    this.show("tasks");
  }

  pressChips() {
    for (const chip of this.chips.querySelectorAll("button")) {
      setAttr(chip, "aria-pressed", this.tab === "tasks" && this.list.states.has(chip.dataset.state) ? "true" : "false");
    }
  }

  drawGraph() {
    this.drawing.remove();
    if (this.past) return;
    this.fold.hidden = this.model.tasks.size > EACH_MAX || !(this.model.each || this.model.graph.nodes.some((node) => node.kind === "fold"));
    this.graph.draw(this.model.graph);
    this.paint();
    this.graph.begin();
    this.overview.drawGraph(this.model.graph);
    this.drawProgress();
  }

  paint() {
    if (this.tab === "graph" && this.shown) this.graph.paint((id) => this.stateOf(id));
  }

  drawTasks() {
    if (!this.past) {
      this.list.show([...this.model.tasks.values()]);
      return;
    }
    this.list.show([...this.past.states].map(([id, { state, label }]) => ({ id, state, label: this.model.tasks.get(id)?.label ?? label })));
  }

  drawEvents() {
    const follows = this.events.atEnd;
    this.events.show(this.history.items);
    if (follows && this.at === null) this.events.reveal(this.history.items.length - 1);
  }

  unfold(each) {
    this.model.each = each;
    this.graph.fitted = false;
    this.model.loadGraph().catch((error) => this.shell.fail(error));
  }

  // --- finding and choosing

  find(text) {
    this.list.search(text);
    const wanted = text.toLowerCase();
    this.graph.mark(text ? (node) => node.label.toLowerCase().includes(wanted) || (node.tasks ?? [node.id]).some((id) => id.toLowerCase().includes(wanted)) : null);
  }

  findFirst() {
    this.find(this.search.value.trim());
    const found = this.list.tasks.length ? this.list.tasks.find((task) => this.list.fits(task)) : [...this.model.tasks.values()].find((task) => this.list.fits(task));
    if (found) this.open(found.id);
  }

  openNode(node) {
    if (node.kind === "task") this.open(node.id);
    else if (node.kind === "fold") {
      this.list.states = new Set();
      this.list.only(node.tasks);
      this.show("tasks");
      this.focusPage();
    } else {
      this.closeTask();
    }
  }

  open(id) {
    this.task = id;
    this.remember();
    this.openPanel(id);
  }

  closeTask() {
    this.task = null;
    this.remember();
    this.openPanel(null);
    this.focusPage();
  }

  openPanel(id) {
    if (this.panel && this.panel !== this.overview) this.panel.close();
    if (id === null) {
      this.panel = this.overview;
      this.overview.refresh();
    } else {
      this.panel = new TaskPanel({ shell: this.shell, model: this.model, id, open: (each) => this.open(each), close: () => this.closeTask() });
    }
    this.aside.replaceChildren(this.panel.element);
    this.graph.choose(id);
    this.list.choose(id);
    if (id !== null) {
      const node = this.graph.nodeOf(id);
      if (node) this.graph.reveal(node);
    }
  }

  // --- the past

  async goTo(n) {
    this.at = n;
    this.remember();
    if (n === null) {
      this.past = null;
      this.endPast();
      return;
    }
    try {
      const [graph, event] = await Promise.all([this.model.ask(["graph"], { query: { at: n, fold: this.model.each ? "false" : null } }), this.history.at(n)]);
      if (this.at !== n) return;
      this.drawing.remove();
      const states = new Map();
      for (const [id, state, node] of statesOf(graph)) states.set(id, { state, label: node.label, attempts: node.attempts, generation: node.generation, reason: node.reason });
      this.past = { graph, states };
      this.timeline.say(event);
      this.banner.hidden = false;
      this.shell.main.classList.add("was");
      if (graph.structure !== this.graph.graph?.structure) this.graph.draw(graph);
      this.overview.drawGraph(graph);
      this.overview.why.hidden = true; // it tells of now
      this.drawPast();
    } catch (error) {
      if (error.status !== 0) this.shell.fail(error);
    }
  }

  endPast() {
    this.banner.hidden = true;
    this.overview.why.hidden = false;
    this.shell.main.classList.remove("was");
    if (this.model.graph) this.drawGraph();
    this.drawPast();
  }

  drawPast() {
    this.paint();
    if (this.tab === "tasks") this.drawTasks();
    if (this.model.run) this.drawRun();
  }

  // --- acts

  allowed() {
    this.actsFor = null;
    if (this.model.run) this.drawActs();
  }

  drawActs() {
    const { run, ended } = this.model;
    const may = this.shell.may("operate");
    const key = [run.state, run.paused, may, this.shell.may("admin")].join();
    if (this.actsFor === key) return;
    this.actsFor = key;
    const acts = [];
    if (may && !ended) {
      acts.push(run.paused ? button("Unpause", () => this.say("unpause")) : button("Pause", () => this.say("pause"), { title: "What runs goes on; nothing more starts" }));
      acts.push(button("Cancel…", () => confirmDialog({
        title: `Cancel this run of ${run.workflow}?`, action: "Cancel the run", field: "Reason (for the record)",
        text: "What runs is stopped, nothing more starts, and the run ends as cancelled.",
        act: (reason) => this.act("cancel", reason ? { reason } : {}),
      }), { class: "danger" }));
      acts.push(button("Promise…", () => this.promise()));
    }
    acts.push(this.pictures());
    if (ended && this.shell.may("admin")) acts.push(button("Delete…", () => this.remove(), { class: "danger" }));
    this.acts.replaceChildren(...acts);
  }

  act(what, body) {
    return ask(["runs", this.id, what], { method: "POST", body });
  }

  async say(what) {
    try {
      await this.act(what);
    } catch (error) {
      this.shell.fail(error);
    }
  }

  promise() {
    const text = h("input", { type: "text", id: fresh("field"), placeholder: "no new tasks", autocomplete: "off" });
    return openDialog({
      title: "Promise how this run may still grow", action: "Promise",
      body: [h("p", {}, "A promise is kept by the engine and is never taken back: ", h("code", {}, "no new tasks"), ", ", h("code", {}, "at most 5 M"), ", ", h("code", {}, "sealed"), "."),
        h("div", { class: "field" }, h("label", { for: text.id }, "Promise"), text)],
      submit: async () => {
        await this.act("promise", { text: text.value });
        return true;
      },
    });
  }

  async remove() {
    const gone = await confirmDialog({
      title: "Delete this run?", action: "Delete the run", text: "Its events, outputs and logs are gone for ever.",
      act: () => ask(["runs", this.id], { method: "DELETE" }),
    });
    if (gone) this.shell.go("#/");
  }

  pictures() {
    const menu = h("details", { class: "menu" }, h("summary", {}, "Picture"), h("div", { class: "choices" },
      PICTURES.map((format) => button(format, () => {
        menu.open = false;
        this.download(format);
      }, { "aria-label": `Download the picture as ${format}` }))));
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      menu.open = false;
      menu.firstChild.focus();
      event.stopPropagation();
    });
    menu.addEventListener("focusout", (event) => {
      if (!menu.contains(event.relatedTarget)) menu.open = false;
    });
    return menu;
  }

  async download(format) {
    try {
      const blob = await fetchBlob(["runs", this.id, "picture"], { format, at: this.at });
      const url = URL.createObjectURL(blob);
      h("a", { href: url, download: `${this.model.run.workflow}-${this.id}.${format}` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10000);
    } catch (error) {
      this.shell.fail(error);
    }
  }
}

// The tasks of a run as a list: sorted, filtered, and as smooth for thousands as for three.

import { button, h, setAttr, setText } from "./dom.js";
import { LongList } from "./list.js";
import { SIGNS, URGENT, count, number, took, when, word } from "./words.js";

const COLUMNS = [
  { key: "state", title: "State", sort: true },
  { key: "label", title: "Task", sort: true },
  { key: "id", title: "Id", sort: true },
  { key: "attempts", title: "Tries", sort: true },
  { key: "started_at", title: "Started", sort: true },
  { key: "took", title: "Took", sort: true },
  { key: "reason", title: "Why", sort: false },
];

const collator = new Intl.Collator(undefined, { numeric: true });
const length = (task) => (task.started_at && task.ended_at ? new Date(task.ended_at) - new Date(task.started_at) : null);

const VALUES = {
  state: (task) => URGENT.indexOf(task.state),
  label: (task) => task.label ?? "",
  id: (task) => task.id,
  attempts: (task) => task.attempts ?? 0,
  started_at: (task) => task.started_at ?? null,
  took: length,
};

export function setState(badge, state) {
  setText(badge, `${SIGNS[state] ?? "?"} ${word(state)}`);
  setAttr(badge, "class", `badge s-${state}`);
}

export class TaskList {
  constructor({ open, filtered }) {
    this.filtered = filtered;
    this.tasks = [];
    this.sort = { key: null, down: false };
    this.states = new Set();
    this.text = "";
    this.group = null;
    this.told = h("span", { class: "total", role: "status" });
    this.whole = button("Show all tasks", () => this.all(), { class: "link", hidden: true });
    this.list = new LongList({
      label: "Tasks", columns: COLUMNS, keyOf: (task) => task.id, open: (task) => open(task.id),
      sorted: (key) => this.sortBy(key),
      make() {
        const badge = h("span", { class: "badge" });
        return h("div", {}, h("div", { role: "gridcell", class: "c-state" }, badge),
          COLUMNS.slice(1).map(({ key }) => h("div", { role: "gridcell", class: `c-${key}` })));
      },
      update(row, task) {
        const [state, label, id, tries, started, lasted, reason] = row.children;
        setState(state.firstChild, task.state);
        setText(label, task.label ?? task.id);
        setAttr(label, "title", task.label);
        setText(id, task.id);
        setAttr(id, "title", task.id);
        setText(tries, task.attempts ? number(task.attempts) + (task.generation > 1 ? ` · gen. ${task.generation}` : "") : "");
        setText(started, when(task.started_at));
        setText(lasted, took(task.started_at, task.ended_at));
        setText(reason, task.reason ?? "");
        setAttr(reason, "title", task.reason);
      },
    });
    this.element = h("div", { class: "tasks" }, h("div", { class: "row-bar" }, this.told, this.whole), this.list.element);
  }

  sortBy(key) {
    if (this.sort.key !== key) this.sort = { key, down: false };
    else if (!this.sort.down) this.sort.down = true;
    else this.sort = { key: null, down: false };
    this.list.sortedBy(this.sort.key, this.sort.down);
    this.draw();
  }

  all() {
    this.states.clear();
    this.only(null);
  }

  /** Shows only these tasks: those of a folded node; null for all. */
  only(ids) {
    this.group = ids === null ? null : new Set(ids);
    this.draw();
  }

  search(text) {
    this.text = text.toLowerCase();
    this.draw();
  }

  fits(task) {
    if (!this.text) return true;
    return (task.label ?? "").toLowerCase().includes(this.text) || task.id.toLowerCase().includes(this.text);
  }

  show(tasks) {
    this.tasks = tasks;
    this.draw();
  }

  choose(id) {
    this.list.chosen = id;
    this.list.draw();
  }

  reveal(id) {
    this.list.reveal(this.list.items.findIndex((task) => task.id === id));
  }

  draw() {
    const shown = [];
    for (const task of this.tasks) {
      if (this.group !== null && !this.group.has(task.id)) continue;
      if (!this.fits(task)) continue;
      if (!this.states.size || this.states.has(task.state)) shown.push(task);
    }
    if (this.sort.key) {
      const value = VALUES[this.sort.key];
      const way = this.sort.down ? -1 : 1;
      shown.sort((a, b) => {
        const [one, other] = [value(a), value(b)];
        if (one === other) return 0;
        if (one === null || other === null) return one === null ? 1 : -1; // unknown: last, either way
        return (typeof one === "string" ? collator.compare(one, other) : one - other) * way;
      });
    }
    this.list.show(shown);
    setText(this.told, shown.length === this.tasks.length ? count(shown.length, "task") : `${number(shown.length)} of ${count(this.tasks.length, "task")}`);
    this.whole.hidden = this.group === null && !this.states.size;
    this.filtered?.();
  }

  toggle(state) {
    if (!this.states.delete(state)) this.states.add(state);
    this.draw();
  }
}

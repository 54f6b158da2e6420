// A long list of which only the rows that are seen exist.

import { fresh, h, setAttr } from "./dom.js";

export class LongList {
  /**
   * columns: [{key, title, sort?}]; row(item) fills make()'s element; open(item) acts on a row.
   */
  constructor({ label, columns, height = 32, make, update, open, keyOf, sorted }) {
    Object.assign(this, { height, make, update, open, keyOf });
    this.id = fresh("list");
    this.items = [];
    this.active = 0;
    this.chosen = null;
    this.rows = new Map();
    this.spare = [];
    this.inside = h("div", { class: "inside", role: "rowgroup" });
    this.headers = columns.map((column) => {
      const cell = h("div", { role: "columnheader", class: `c-${column.key}` });
      cell.append(column.sort ? h("button", { type: "button", on: { click: () => sorted(column.key) } }, column.title) : column.title);
      return [column.key, cell];
    });
    this.scroller = h("div", { class: "scroller", tabindex: "0", role: "grid", "aria-label": label },
      h("div", { role: "rowgroup", class: "titles" }, h("div", { role: "row" }, this.headers.map(([, cell]) => cell))), this.inside);
    this.element = h("div", { class: "long" }, this.scroller);
    this.scroller.addEventListener("scroll", () => this.draw(), { passive: true });
    this.scroller.addEventListener("keydown", (event) => this.press(event));
    this.scroller.addEventListener("click", (event) => {
      const row = event.target.closest?.(".row");
      if (row && !event.target.closest("a, button")) this.choose(Number(row.dataset.at));
    });
    new ResizeObserver(() => this.draw()).observe(this.scroller);
  }

  sortedBy(key, down) {
    for (const [each, cell] of this.headers) setAttr(cell, "aria-sort", each === key ? (down ? "descending" : "ascending") : null);
  }

  show(items) {
    this.items = items;
    this.active = Math.min(this.active, Math.max(0, items.length - 1));
    this.inside.style.height = `${items.length * this.height}px`;
    setAttr(this.scroller, "aria-rowcount", items.length + 1);
    this.draw();
  }

  /** Whether the end is seen: then what comes is followed. */
  get atEnd() {
    const { scrollTop, clientHeight, scrollHeight } = this.scroller;
    return scrollTop + clientHeight >= scrollHeight - this.height;
  }

  choose(at) {
    this.active = at;
    this.draw();
    if (this.items[at] !== undefined) this.open(this.items[at]);
  }

  /** Scrolls to an item and makes it the active one. */
  reveal(at) {
    if (at < 0) return;
    this.active = at;
    const top = at * this.height;
    const room = this.scroller.clientHeight - this.height;
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
    else if (top + this.height > this.scroller.scrollTop + room) this.scroller.scrollTop = top + this.height - room;
    this.draw();
  }

  press(event) {
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.height) - 2);
    const last = this.items.length - 1;
    const to = { ArrowDown: this.active + 1, ArrowUp: this.active - 1, PageDown: this.active + page, PageUp: this.active - page, Home: 0, End: last }[event.key];
    if (event.target !== this.scroller) return;
    if (to !== undefined) this.reveal(Math.max(0, Math.min(last, to)));
    else if (event.key === "Enter" && this.items[this.active] !== undefined) this.choose(this.active);
    else return;
    event.preventDefault();
  }

  draw() {
    const { scrollTop, clientHeight } = this.scroller;
    if (!clientHeight) return;
    const first = Math.max(0, Math.floor(scrollTop / this.height) - 6);
    const end = Math.min(this.items.length, Math.ceil((scrollTop + clientHeight) / this.height) + 6);
    for (const [at, row] of this.rows) {
      if (at < first || at >= end) {
        row.remove();
        this.rows.delete(at);
        this.spare.push(row);
      }
    }
    for (let at = first; at < end; at += 1) this.drawRow(at);
    const active = this.rows.get(this.active);
    setAttr(this.scroller, "aria-activedescendant", active ? active.id : null);
  }

  drawRow(at) {
    let row = this.rows.get(at);
    if (!row) {
      row = this.spare.pop() ?? this.newRow();
      row.style.transform = `translateY(${at * this.height}px)`;
      row.dataset.at = at;
      setAttr(row, "aria-rowindex", at + 2);
      this.rows.set(at, row);
      this.inside.append(row);
    }
    const item = this.items[at];
    row.classList.toggle("active", at === this.active);
    const chosen = this.chosen !== null && this.keyOf(item) === this.chosen;
    row.classList.toggle("chosen", chosen);
    setAttr(row, "aria-selected", chosen ? "true" : "false");
    this.update(row, item);
  }

  newRow() {
    const row = this.make();
    row.id = fresh(this.id);
    row.classList.add("row");
    row.setAttribute("role", "row");
    return row;
  }
}

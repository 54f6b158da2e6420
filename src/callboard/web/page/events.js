// What happened, one event a line, and the slider that goes back to any of them.

import { button, fresh, h, setAttr, setText, throttled } from "./dom.js";
import { LongList } from "./list.js";
import { count, isoOf, number, tell, when } from "./words.js";

const PAGE = 1000;
const EVENTS_MAX = 50000;

/** The events of a run, as far as somebody wanted to see them. */
export class History {
  constructor(model) {
    this.model = model;
    this.items = [];
    this.loading = null;
    this.whole = false;
  }

  take(events) {
    if (!this.whole) return false;
    for (const event of events) if (event.number > (this.items.at(-1)?.number ?? 0)) this.items.push(event);
    return true;
  }

  load(drawn) {
    this.loading ??= (async () => {
      for (;;) {
        const after = this.items.at(-1)?.number ?? 0;
        const { items } = await this.model.ask(["events"], { query: { after, limit: PAGE } });
        this.items.push(...items.map((each) => ({ ...each, at: isoOf(each.at) })));
        drawn();
        if (items.length < PAGE || this.items.length >= EVENTS_MAX) break;
      }
      this.whole = true;
    })().catch((error) => {
      this.loading = null;
      throw error;
    });
    return this.loading;
  }

  async at(n) {
    const known = this.items[n - 1];
    if (known?.number === n) return known;
    const { items } = await this.model.ask(["events"], { query: { after: n - 1, limit: 1 } });
    return items[0] ? { ...items[0], at: isoOf(items[0].at) } : null;
  }
}

export function eventList({ go }) {
  return new LongList({
    label: "Events; Enter shows the run as of then", height: 28, keyOf: (event) => event.number, open: (event) => go(event.number),
    columns: [{ key: "number", title: "No." }, { key: "at", title: "Time" }, { key: "what", title: "What happened" }],
    make: () => h("div", {}, ["number", "at", "what"].map((key) => h("div", { role: "gridcell", class: `c-${key}` }))),
    update(row, event) {
      const [no, at, what] = row.children;
      setText(no, number(event.number));
      setText(at, when(event.at));
      const text = tell(event);
      setText(what, text);
      setAttr(what, "title", text);
    },
  });
}

/** The slider: go(n) shows the run as of event n, go(null) as of now. */
export class TimeLine {
  constructor({ go }) {
    this.go = go;
    this.last = 0;
    this.at = null;
    const id = fresh("time");
    this.range = h("input", { type: "range", min: "1", max: "1", step: "1", id, "aria-label": "As of event" });
    this.told = h("output", { for: id, class: "told" });
    this.live = button("live", () => this.set(null), { class: "live", "aria-pressed": "true" });
    this.back = button("‹", () => this.step(-1), { class: "icon", "aria-label": "One event back", title: "One event back (,)" });
    this.on = button("›", () => this.step(1), { class: "icon", "aria-label": "One event on", title: "One event on (.)" });
    const slide = throttled(120, () => this.go(this.at));
    this.range.addEventListener("input", () => {
      const n = Number(this.range.value);
      this.at = n >= this.last ? null : n;
      this.draw();
      slide();
    });
    this.element = h("section", { class: "timeline", "aria-label": "Time" }, this.live, this.back, this.range, this.on, this.told);
  }

  /** Learns how many events there are. */
  grow(last) {
    if (last === this.last) return;
    this.last = last;
    this.draw();
  }

  step(by) {
    const n = (this.at ?? this.last) + by;
    if (n < 1) return;
    this.set(n >= this.last ? null : n);
  }

  set(at) {
    this.at = at;
    this.draw();
    this.go(at);
  }

  say(event) {
    this.event = event;
    this.draw();
  }

  draw() {
    const n = this.at ?? this.last;
    setAttr(this.range, "max", this.last || 1);
    if (Number(this.range.value) !== n) this.range.value = String(n);
    const past = this.at !== null;
    const what = past && this.event?.number === n ? ` · ${when(this.event.at)} · ${tell(this.event)}` : "";
    const text = past ? `event ${number(n)} of ${number(this.last)}${what}` : count(this.last, "event");
    setText(this.told, text);
    setAttr(this.told, "title", text);
    setAttr(this.range, "aria-valuetext", past ? text : `live, event ${number(this.last)}`);
    setAttr(this.live, "aria-pressed", past ? "false" : "true");
    this.back.disabled = n <= 1;
    this.on.disabled = !past;
  }
}

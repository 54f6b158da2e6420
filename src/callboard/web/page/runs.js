// The list of runs: filters, pages, and what changes while one looks.

import { ask, follow } from "./api.js";
import { button, fresh, h, setAttr, setText, throttled } from "./dom.js";
import { startDialog } from "./start.js";
import { RUN_SIGNS, RUN_STATES, count, number, took, when, word } from "./words.js";

const PAGE = 50;
const FILTERS = ["search", "state", "workflow", "topic", "job"];

export function runBadge(run) {
  const badge = h("span", { class: "badge" });
  setBadge(badge, run);
  return badge;
}

export function setBadge(badge, { state, paused }) {
  const text = `${RUN_SIGNS[state] ?? "?"} ${word(state)}${paused ? " · paused" : ""}`;
  setText(badge, text);
  setAttr(badge, "class", `badge r-${state}${paused ? " paused" : ""}`);
}

export function showRuns(shell, query) {
  const stop = new AbortController();
  let filter = {};
  let offset = 0;
  let asked = 0;
  const rows = new Map();

  const fields = {
    search: field("Search", h("input", { type: "search", placeholder: "id or workflow", autocomplete: "off" })),
    state: field("State", h("select", {}, h("option", { value: "" }, "any state"),
      RUN_STATES.map((state) => h("option", { value: state }, `${RUN_SIGNS[state]} ${word(state)}`)))),
    workflow: field("Workflow", h("select", {}, h("option", { value: "" }, "any workflow"))),
    topic: field("Topic", h("input", { type: "text", autocomplete: "off" })),
    job: field("Job", h("input", { type: "text", autocomplete: "off" })),
  };
  const start = button("Start a run", () => startDialog(shell), { class: "primary", id: "start" });
  const body = h("tbody");
  const table = h("table", { class: "runs" }, h("thead", {}, h("tr", {},
    ["State", "Workflow", "Run", "Topic / job", "Started", "Took"].map((text) => h("th", { scope: "col" }, text)))), body);
  const empty = h("div", { class: "empty", hidden: true });
  const told = h("p", { class: "total", role: "status" });
  const back = button("‹ Newer", () => turn(-PAGE));
  const on = button("Older ›", () => turn(PAGE));

  shell.main.className = "list";
  shell.crumbs(h("span", { "aria-current": "page" }, "Runs"));
  shell.title("Runs");
  shell.main.append(
    h("div", { class: "bar" }, h("h1", {}, "Runs"), start),
    h("form", { class: "filters", role: "search", on: { submit: (event) => event.preventDefault() } },
      FILTERS.map((name) => fields[name].element)),
    h("div", { class: "frame" }, table, empty),
    h("nav", { class: "pages", "aria-label": "Pages" }, told, back, on),
  );

  const typed = throttled(250, () => {
    for (const name of FILTERS) filter[name] = fields[name].control.value.trim();
    offset = 0;
    remember();
  });
  for (const name of FILTERS) fields[name].control.addEventListener("input", typed);

  function turn(by) {
    offset = Math.max(0, offset + by);
    remember();
  }

  function remember() {
    const kept = new URLSearchParams(Object.entries(filter).filter(([, value]) => value));
    if (offset) kept.set("offset", String(offset));
    shell.replace(`#/${String(kept) ? `?${kept}` : ""}`);
    load();
  }

  async function load() {
    asked += 1;
    const mine = asked;
    let page;
    try {
      page = await ask(["runs"], { query: { ...filter, limit: PAGE, offset }, signal: stop.signal });
    } catch (error) {
      if (error.status !== 0) shell.fail(error); // that the line is lost, the stream of changes tells
      return;
    }
    if (mine !== asked || stop.signal.aborted) return;
    draw(page);
  }

  function draw({ items, total }) {
    const shown = new Set(items.map((run) => run.run));
    for (const [id, row] of rows) {
      if (!shown.has(id)) {
        row.element.remove();
        rows.delete(id);
      }
    }
    items.forEach((run, at) => {
      const row = rows.get(run.run) ?? rowOf(run);
      rows.set(run.run, row);
      row.update(run);
      if (body.children[at] !== row.element) body.insertBefore(row.element, body.children[at] ?? null);
    });
    const first = total ? offset + 1 : 0;
    setText(told, `${number(first)}–${number(offset + items.length)} of ${count(total, "run")}`);
    back.disabled = offset === 0;
    on.disabled = offset + items.length >= total;
    table.hidden = !items.length;
    empty.hidden = items.length > 0;
    if (!items.length) {
      const filtered = FILTERS.some((name) => filter[name]);
      empty.replaceChildren(filtered
        ? h("p", {}, "No run fits these filters. ", button("Show all runs", clear, { class: "link" }))
        : h("p", {}, "There is no run yet. Start one here, by REST, or with ", h("code", {}, "callboard run FILE"), "."));
    }
  }

  function clear() {
    for (const name of FILTERS) fields[name].control.value = "";
    typed();
  }

  function read(params) {
    filter = {};
    for (const name of FILTERS) {
      filter[name] = params.get(name) ?? "";
      fields[name].control.value = filter[name];
    }
    offset = Math.max(0, Number(params.get("offset")) || 0);
    load();
  }

  const again = throttled(500, load);
  follow(["events"], {
    signal: stop.signal,
    told: (kind) => kind === "changed" && again(),
    connected(is) {
      shell.connected(is);
      if (is) again();
    },
  }).catch(shell.fail);
  ask(["workflows"], { query: { limit: 1000 }, signal: stop.signal }).then(({ items }) => {
    const names = [...new Set(items.map((each) => each.name))].sort();
    fields.workflow.control.append(...names.map((name) => h("option", { value: name }, name)));
    fields.workflow.control.value = filter.workflow ?? "";
  }, () => {});
  read(query);

  function allowed() {
    start.hidden = !shell.may("operate");
  }
  allowed();

  return {
    update: read,
    allowed,
    close: () => {
      stop.abort();
      again.cancel();
      typed.cancel();
    },
    press(event) {
      if (event.key === "n" && !start.hidden) startDialog(shell);
      else return false;
      return true;
    },
  };
}

function field(label, control) {
  control.id = fresh("filter");
  return { control, element: h("div", { class: "field" }, h("label", { for: control.id }, label), control) };
}

function rowOf(run) {
  const badge = runBadge(run);
  const reason = h("span", { class: "reason" });
  const started = h("td", {});
  const length = h("td", { class: "number" });
  const group = [run.topic, run.job].filter(Boolean).join(" / ");
  const element = h("tr", {},
    h("td", {}, badge),
    h("td", { class: "name" }, run.workflow, reason),
    h("td", {}, h("a", { href: `#/runs/${encodeURIComponent(run.run)}`, class: "stretch", "aria-label": `${run.workflow}, run ${run.run}` }, run.run)),
    h("td", {}, group), started, length);
  return {
    element,
    update(now) {
      setBadge(badge, now);
      setText(reason, now.reason ?? "");
      const start = now.started_at ?? now.created_at;
      setText(started, when(start));
      setAttr(started, "title", start);
      setText(length, took(start, now.ended_at));
    },
  };
}

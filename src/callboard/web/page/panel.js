// What stands beside the graph: the run as a whole, or the task that was chosen.

import { ask } from "./api.js";
import { confirmDialog, openDialog } from "./dialogs.js";
import { button, fresh, h, setText } from "./dom.js";
import { formOf } from "./form.js";
import { logView } from "./logs.js";
import { setState } from "./tasks.js";
import { PROMISE_SIGNS, RUN_ENDED, number, pretty, took, when, withClocks, word } from "./words.js";

const WAITS = { input: "an answer", lost: "a decision: its attempt was lost", sleep: "a time", probe: "a condition", child: "another run" };
const BY_HAND = ["succeeded", "failed", "not_ready", "skipped", "cancelled"];
const TOLD = new Set(["ready", "waiting", "retry_wait", "failed", "not_ready"]);
const REASONS_MAX = 12;
const NAMES = 3;
/** Of a run of more tasks, reasons are asked for only so often. */
const SMALL = 300;
const LARGE_MS = 15000;

/** Returns rows of facts; what is empty is left out. */
function facts(rows) {
  return h("dl", { class: "facts" }, rows.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false)
    .map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function block(title, value) {
  if (value === null || value === undefined) return null;
  return h("section", {}, h("h3", {}, title), h("pre", { tabindex: "0" }, pretty(value)));
}

// --- a task -------------------------------------------------------------------------------------

export class TaskPanel {
  constructor({ shell, model, id, open, close }) {
    Object.assign(this, { shell, model, id, open });
    this.badge = h("span", { class: "badge" });
    this.title = h("h2", { tabindex: "-1" }, model.tasks.get(id)?.label ?? id);
    this.acts = h("div", { class: "acts" });
    this.answer = h("div", {});
    this.why = h("p", { class: "why" });
    this.error = h("div", {});
    this.facts = h("div", { class: "details" });
    this.logs = logView(shell, model.id, id, { ended: () => model.ended, open });
    this.element = h("section", { class: "panel", "aria-label": `Task ${id}` },
      h("header", {}, h("div", { class: "bar" }, this.title, button("×", close, { class: "icon", "aria-label": "Close the task", title: "Close (Esc)" })),
        h("div", { class: "bar" }, this.badge, this.acts)),
      this.answer, this.error, this.why,
      h("section", { class: "log-part" }, h("h3", {}, "Logs"), this.logs.element), this.facts);
    this.asked = 0;
    this.refresh();
  }

  close() {
    this.logs.close();
    this.asked += 1;
  }

  get path() {
    return ["runs", this.model.id, "tasks", this.id];
  }

  /** Asks for the task anew: when it has changed. */
  async refresh() {
    this.asked += 1;
    const mine = this.asked;
    const known = this.model.tasks.get(this.id);
    if (known) setState(this.badge, known.state);
    try {
      const task = await ask(this.path);
      if (mine !== this.asked) return;
      this.draw(task);
      await this.explain(task, mine);
    } catch (error) {
      if (error.name !== "AbortError" && error.status !== 0) this.shell.fail(error);
    }
  }

  async explain(task, mine) {
    const asks = task.state === "waiting" && task.wait?.message; // the form says it
    const told = asks || task.error || ["running", "succeeded"].includes(task.state);
    const reasons = told ? [] : (await this.model.ask(["why"], { query: { task: this.id } })).items;
    if (mine !== this.asked) return;
    setText(this.why, reasons.map((each) => withClocks(each.reason)).join("\n"));
    this.why.hidden = !reasons.length;
  }

  draw(task) {
    setText(this.title, task.label ?? task.name);
    setState(this.badge, task.state);
    this.drawActs(task);
    this.drawAnswer(task);
    const error = task.error;
    const trace = error?.detail?.traceback ?? (error?.detail ? pretty(error.detail) : null);
    this.error.replaceChildren(...(error ? [h("div", { class: "failure" }, h("strong", {}, error.kind), " ", error.message,
      trace ? h("details", {}, h("summary", {}, "Where"), h("pre", { tabindex: "0" }, String(trace))) : null)] : []));
    const link = (id) => (this.model.tasks.has(id) ? button(id, () => this.open(id), { class: "link" }) : id);
    const list = (ids) => (ids?.length ? ids.map((id, at) => [at ? ", " : "", link(id)]) : null);
    this.facts.replaceChildren(
      facts([
        ["Id", this.id], ["Kind", task.kind], ["Attempts", task.attempts || null], ["Generation", task.generation > 1 ? task.generation : null],
        ["Worker", task.worker], ["Runs after", list(task.needs)], ["Created by", task.created_by ? link(task.created_by) : null],
        ["Started", when(task.started_at)], ["Ended", when(task.ended_at)], ["Took", took(task.started_at, task.ended_at)],
      ]), ...[block("Output", task.output), block("Inputs", task.inputs), this.data(task)].filter(Boolean));
  }

  /** Shows what was said over the inputs, where anything was. */
  data({ data, inputs }) {
    const same = !data || !Object.keys(data).length || JSON.stringify(data) === JSON.stringify(inputs);
    return same ? null : block("Data", data);
  }

  drawActs(task) {
    const key = `${task.state} ${this.shell.may("operate")}`;
    if (this.actsFor === key) return;
    this.actsFor = key;
    if (!this.shell.may("operate")) {
      this.acts.replaceChildren();
      return;
    }
    const restart = button("Restart…", () => confirmDialog({
      title: `Restart ${task.label}?`, action: "Restart",
      text: "The task, everything behind it and everything they created are done anew. What runs of them is stopped first.",
      act: () => this.say("restart"),
    }));
    const settle = button("Settle…", () => this.settle(task));
    this.acts.replaceChildren(restart, ...(task.state === "running" ? [] : [settle]));
  }

  async say(what, body) {
    await ask([...this.path, what], { method: "POST", body });
    this.refresh();
  }

  settle(task) {
    const state = h("select", { id: fresh("field") }, BY_HAND.map((each) => h("option", { value: each }, word(each))));
    const output = h("textarea", { id: fresh("field"), rows: "3", class: "code", spellcheck: "false" });
    return openDialog({
      title: `Settle ${task.label} by hand?`, action: "Settle", danger: true,
      body: [h("p", {}, "Its outcome is set as if it had come to it by itself; what follows goes on from there."),
        h("div", { class: "field" }, h("label", { for: state.id }, "Outcome"), state),
        h("div", { class: "field" }, h("label", { for: output.id }, "Output, as JSON (none if empty)"), output)],
      submit: async () => {
        let value;
        if (output.value.trim()) {
          try {
            value = JSON.parse(output.value);
          } catch (error) {
            throw new Error(`The output is no JSON: ${error.message}`);
          }
        }
        await this.say("settle", value === undefined ? { state: state.value } : { state: state.value, output: value });
        return true;
      },
    });
  }

  /** Shows the form of a wait, and keeps what was written into it while nothing about it changes. */
  drawAnswer(task) {
    const wait = task.state === "waiting" ? task.wait : null;
    const key = wait ? JSON.stringify([wait, task.generation, task.attempts]) : null;
    if (this.answerFor === key) return;
    this.answerFor = key;
    if (!wait) {
      this.answer.replaceChildren();
      return;
    }
    const takes = wait.kind === "input" || wait.kind === "lost";
    const head = h("h3", {}, `Waits for ${WAITS[wait.kind] ?? wait.kind}`);
    const about = [wait.message ? h("p", { class: "question" }, wait.message) : null,
      wait.until ? h("p", { class: "hint" }, `until ${when(wait.until)}`) : null];
    if (!takes || !this.shell.may("operate")) {
      this.answer.replaceChildren(h("div", { class: "wait" }, head, about));
      return;
    }
    const form = wait.schema ? formOf(wait.schema, { label: "Answer" }) : null;
    const errors = h("div", { class: "error", role: "alert", hidden: true });
    const send = h("button", { type: "submit", class: "primary" }, form ? "Answer" : "Go on");
    const submit = async (event) => {
      event.preventDefault();
      const read = form ? form.read() : { ok: true, value: null };
      if (!read.ok) return;
      send.disabled = true;
      errors.hidden = true;
      try {
        await this.say("answer", { value: read.value });
      } catch (error) {
        const rest = form && error.errors ? form.show(error.errors) : error.errors ?? [error.message];
        errors.replaceChildren(...rest.map((text) => h("p", {}, text)));
        errors.hidden = !rest.length;
      } finally {
        send.disabled = false;
      }
    };
    this.answer.replaceChildren(h("form", { class: "wait", novalidate: true, on: { submit } }, head, about, form?.element, errors, h("div", { class: "buttons" }, send)));
  }
}

// --- the run ------------------------------------------------------------------------------------

export class RunPanel {
  constructor({ shell, model, open }) {
    Object.assign(this, { shell, model, open });
    this.promises = h("section", {});
    this.coming = h("section", {});
    this.why = h("section", {});
    this.facts = h("section", { class: "details" });
    this.element = h("section", { class: "panel", "aria-label": "The run" },
      h("h2", {}, "The run"), this.why, this.promises, this.coming, this.facts);
  }

  close() {
    clearTimeout(this.later);
  }

  refresh() {
    this.draw();
    this.explain();
  }

  draw() {
    const { run } = this.model;
    if (!run) return;
    const key = JSON.stringify([run.state, run.output, run.reason, run.ended_at]);
    if (key === this.drawn) return;
    this.drawn = key;
    const parent = run.parent ? h("a", { href: `#/runs/${encodeURIComponent(run.parent)}` }, run.parent) : null;
    this.facts.replaceChildren(facts([
      ["Workflow", run.workflow], ["Run", run.run], ["Topic", run.topic], ["Job", run.job], ["Parent", parent],
      ["Started", when(run.started_at)], ["Ended", when(run.ended_at)], ["Took", took(run.started_at, run.ended_at)],
    ]), ...[block("Output", run.output), block("Inputs", run.inputs && Object.keys(run.inputs).length ? run.inputs : null)].filter(Boolean));
  }

  /** Shows what was promised and what may still come, as of a graph. */
  drawGraph(graph) {
    const promises = graph?.promises ?? this.model.run?.promises ?? [];
    this.promises.replaceChildren(...(promises.length ? [h("h3", {}, "Promises"), h("ul", { class: "promises" }, promises.map((each) =>
      h("li", { class: `p-${each.state}` }, h("span", { class: "badge" }, `${PROMISE_SIGNS[each.state] ?? "?"} ${each.state}`), " ", each.text,
        each.by ? h("span", { class: "hint" }, ` by ${each.by}`) : null)))] : []));
    const holes = (graph?.nodes ?? []).filter((node) => node.kind === "hole");
    this.coming.replaceChildren(...(holes.length ? [h("h3", {}, "What may still come"), h("ul", { class: "holes" }, holes.map((hole) =>
      h("li", {}, h("code", {}, hole.label), hole.note ? h("span", { class: "hint" }, ` ${hole.note}`) : null)))] : []));
  }

  /** Tells what the run waits for: of a large run, which takes a while to tell, less often. */
  async explain() {
    const { run, tasks } = this.model;
    if (!run || run.state === "succeeded" || this.asking) return;
    const rest = tasks.size > SMALL && run.state === this.explained ? this.asked + LARGE_MS - Date.now() : 0;
    clearTimeout(this.later);
    if (rest > 0) {
      this.later = setTimeout(() => this.explain(), rest);
      return;
    }
    this.asking = true;
    this.asked = Date.now();
    this.explained = run.state;
    try {
      const { items } = await this.model.ask(["why"]);
      const groups = alike(items.filter((each) => each.task === null || TOLD.has(each.state)));
      const rest = groups.length - REASONS_MAX;
      this.why.replaceChildren(h("h3", {}, RUN_ENDED.has(run.state) ? "Why it ended so" : "What it waits for"),
        h("ul", { class: "reasons" }, groups.slice(0, REASONS_MAX).map(({ tasks: some, text }) => h("li", {}, this.links(some), text)),
          rest > 0 ? h("li", { class: "hint" }, `and ${number(rest)} more: see the tasks`) : null));
    } catch {
      // It is asked again with the next change.
    } finally {
      this.asking = false;
    }
    if (this.model.run.state === "succeeded") this.why.replaceChildren();
  }

  links(tasks) {
    const more = tasks.length > NAMES ? ` and ${number(tasks.length - NAMES)} more` : "";
    if (!tasks.length) return null;
    return [tasks.slice(0, NAMES).map((id, at) => [at ? ", " : "", button(id, () => this.open(id), { class: "link" })]), more, ": "];
  }
}

/** Puts together the tasks of which the same is told. */
function alike(reasons) {
  const groups = new Map();
  for (const { task, code, reason } of reasons) {
    const text = withClocks(task === null ? reason : reason.replace(/^task '[^']*' (is )?/, ""));
    const key = task === null ? "" : `${code} ${text.replace(/\d\d:\d\d:\d\d/g, "")}`;
    if (!groups.has(key)) groups.set(key, { tasks: [], text });
    if (task !== null) groups.get(key).tasks.push(task);
  }
  return [...groups.values()];
}

// What the page knows of one run: asked once, then kept up to date by the stream of its events.

import { ask, follow } from "./api.js";
import { throttled } from "./dom.js";
import { statesOf } from "./graph.js";
import { RUN_ENDED, SETTLED, isoOf } from "./words.js";

/** How long it takes at least from one graph to the next, in milliseconds. */
const PACE_MS = 250;

export class RunModel {
  /** heard: {run(), tasks(ids), graph(), events(new), connected(is), failed(error), noGraph(error)} */
  constructor(id, heard) {
    this.id = id;
    this.heard = heard;
    this.stop = new AbortController();
    this.run = null;
    this.tasks = new Map();
    this.graph = null;
    this.structure = null;
    this.last = 0;
    this.each = false;
    this.layouts = 0;
    this.drawable = true;
    this.pace = PACE_MS;
    this.regraph = throttled(() => this.pace, () => this.loadGraph().catch(heard.failed));
  }

  get ended() {
    return this.run !== null && RUN_ENDED.has(this.run.state);
  }

  async open() {
    await this.load();
    this.loadGraph().catch(this.heard.failed);
    follow(["runs", this.id, "events"], {
      after: this.last, signal: this.stop.signal,
      told: (kind, data, id) => (kind === "state" ? this.takeState(data) : this.takeEvent(data, id)),
      connected: (is) => this.heard.connected(is),
    }).catch(this.heard.failed);
  }

  close() {
    this.stop.abort();
    this.regraph.cancel();
  }

  ask(path, options) {
    return ask(["runs", this.id, ...path], { signal: this.stop.signal, ...options });
  }

  /** Asks for all of it: at the beginning, and at the end for what came out. */
  async load() {
    const found = await this.ask([]);
    this.id = found.run;
    const { tasks, ...run } = found;
    this.run = { ...this.run, ...run };
    this.last = Math.max(this.last, found.version);
    for (const [id, task] of Object.entries(tasks)) this.tasks.set(id, { id, ...this.tasks.get(id), ...task });
    this.heard.run();
    this.heard.tasks(Object.keys(tasks));
  }

  async loadGraph() {
    let graph;
    const began = performance.now();
    try {
      graph = await this.ask(["graph"], { query: { fold: this.each ? "false" : null } });
    } catch (error) {
      if (error.name === "AbortError" || this.graph || error.status === 0) throw error;
      this.drawable = error.status !== 501;
      this.heard.noGraph(error);
      return;
    }
    this.layouts += 1;
    // What costs the server long is asked for less often.
    this.pace = Math.max(PACE_MS, 8 * (performance.now() - began));
    this.graph = graph;
    const there = new Set();
    for (const [id, state, node] of statesOf(graph)) {
      there.add(id);
      if (!this.tasks.has(id)) this.tasks.set(id, { id, label: node.label, state });
    }
    // What a restart has taken out of the graph is no task of the run any more.
    if (graph.number >= this.last) for (const id of this.tasks.keys()) if (!there.has(id)) this.tasks.delete(id);
    this.heard.graph();
  }

  takeEvent(event, id) {
    if (event === null || typeof event !== "object") return;
    const at = isoOf(event.at);
    const number = event.number ?? Number(id);
    this.last = Math.max(this.last, number);
    this.unseen = true;
    const task = this.tasks.get(event.task);
    if (event.kind === "attempt_started" && task) {
      if (!task.started_at || event.attempt === 1) task.started_at = at;
      task.ended_at = null;
    }
    if (event.kind === "task_settled" && task) task.ended_at = at;
    if (event.kind === "tasks_settled") this.change(event.tasks, { ended_at: at });
    if (event.kind === "tasks_restarted") this.change(event.tasks, { started_at: null, ended_at: null });
    this.heard.events([{ ...event, number, at }]);
  }

  change(ids, facts) {
    for (const id of ids ?? []) Object.assign(this.tasks.get(id) ?? {}, facts);
  }

  takeState({ run, tasks, structure }) {
    const wasEnded = this.ended;
    this.run = { ...this.run, ...run };
    this.last = Math.max(this.last, run.version ?? 0);
    const changed = Object.entries(tasks ?? {});
    for (const [id, now] of changed) {
      const task = this.tasks.get(id) ?? { id };
      this.tasks.set(id, Object.assign(task, now));
      if (!SETTLED.has(now.state) && task.ended_at) task.ended_at = null;
    }
    // Of a large run the first message tells only how many tasks are in each state.
    if (tasks === undefined && this.unseen) this.load().catch(this.heard.failed);
    this.unseen = false;
    this.heard.run();
    this.heard.tasks(changed.map(([id]) => id));
    this.structure = structure ?? this.structure;
    if (this.drawable && this.graph && structure && structure !== this.graph.structure) this.regraph();
    if (this.ended && !wasEnded) {
      this.load().catch(this.heard.failed);
      if (this.drawable) this.regraph();
    }
  }
}

// States, times and events as people read them.

/** The states of tasks in the order in which the server counts them, each with its sign. */
export const SIGNS = {
  pending: "·",
  ready: "○",
  running: "▶",
  waiting: "…",
  retry_wait: "↻",
  succeeded: "✓",
  not_ready: "◐",
  failed: "✗",
  skipped: "»",
  upstream_failed: "↯",
  cancelled: "■",
};
export const STATES = Object.keys(SIGNS);

/** What is told of several tasks first. */
export const URGENT = [
  "failed", "upstream_failed", "cancelled", "not_ready", "running", "retry_wait", "waiting",
  "ready", "pending", "skipped", "succeeded",
];
export const SETTLED = new Set([
  "succeeded", "not_ready", "failed", "skipped", "upstream_failed", "cancelled",
]);

export const RUN_SIGNS = {
  pending: "·", running: "▶", succeeded: "✓", failed: "✗", not_ready: "◐", cancelled: "■",
  timed_out: "⧖", promise_broken: "⚡",
};
export const RUN_STATES = Object.keys(RUN_SIGNS);
export const RUN_ENDED = new Set(RUN_STATES.slice(2));

export const PROMISE_SIGNS = { settled: "✓", holding: "○", owed: "◐", broken: "✗" };

export function word(state) {
  return state.replaceAll("_", " ");
}

export function number(n) {
  return n.toLocaleString("en");
}

export function count(n, what) {
  return `${number(n)} ${what}${n === 1 ? "" : "s"}`;
}

const clockFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const dayFormat = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/** Returns a time as a clock shows it, with its day unless that is today. */
export function when(iso) {
  if (!iso) return "";
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return String(iso);
  const clock = clockFormat.format(at);
  return at.toDateString() === new Date().toDateString() ? clock : `${dayFormat.format(at)}, ${clock}`;
}

/** Returns a sentence with the times in it as a clock shows them. */
export function withClocks(text) {
  return text.replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, (iso) => when(iso));
}

/** Returns a time from seconds since the epoch or from an ISO text as an ISO text. */
export function isoOf(at) {
  return typeof at === "number" ? new Date(at * 1000).toISOString() : at;
}

/** Returns how long something took: 350 ms, 4.2 s, 3 min 5 s. */
export function took(start, end) {
  if (!start || !end) return "";
  return duration((new Date(end) - new Date(start)) / 1000);
}

export function duration(seconds) {
  if (!(seconds >= 0)) return "";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

const by = (event) => (event.by ? ` by ${event.by}` : "");
const because = (text) => (text ? `: ${text}` : "");

const TELL = {
  run_created: () => "run created",
  run_paused: (e) => `run paused${by(e)}`,
  run_unpaused: (e) => `run unpaused${by(e)}`,
  run_stopping: (e) => `run is being stopped${by(e)}${because(e.reason)}`,
  run_draining: (e) => `run starts nothing more${because(e.reason)}`,
  run_ended: (e) => `run ended: ${word(e.state ?? "")}${because(e.reason)}`,
  attempt_started: (e) => `${e.task}: attempt ${e.attempt ?? ""} started${e.worker ? ` on ${e.worker}` : ""}`,
  task_waiting: (e) => `${e.task}: waits${because(e.wait?.message ?? e.wait?.kind)}`,
  task_released: (e) => `${e.task}: may start again${because(e.reason)}`,
  task_answered: (e) => `${e.task}: answered${by(e)}`,
  retry_scheduled: (e) => `${e.task}: is tried again${because(e.error?.message)}`,
  retry_due: (e) => `${e.task}: time for the next attempt`,
  task_settled: (e) => `${e.task}: ${word(e.state ?? "")}${by(e)}${because(e.error?.message ?? e.reason)}`,
  tasks_settled: (e) => `${count((e.tasks ?? []).length, "task")}: ${word(e.state ?? "")}${because(e.reason)}`,
  restart_requested: (e) => `${e.task}: is to be done anew${by(e)}`,
  tasks_restarted: (e) => `done anew: ${names(e.tasks)}${by(e)}`,
  task_added: (e) => `${e.new?.id ?? "a task"}: added${by(e)}`,
  edge_added: (e) => `${e.target}: runs after ${e.source} now${by(e)}`,
  hole_opened: (e) => `hole ${e.hole} opened${by(e)} for ${e.shape}`,
  hole_given: (e) => `hole ${e.hole} given to ${e.to}${by(e)}`,
  hole_left: (e) => `hole ${e.hole} left${by(e)}`,
  hole_closed: (e) => `hole ${e.hole} closed${by(e)}${because(e.reason)}`,
  hole_narrowed: (e) => `hole ${e.hole} narrowed to ${e.shape}`,
  hole_lapsed: (e) => `hole ${e.hole} given up`,
  promise_made: (e) => `promised${by(e)}: ${e.text}`,
  promise_violated: (e) => `promise broken${by(e)}: ${e.text ?? e.message ?? ""}`,
  again_asked: (e) => `${e.task}: is to be done again${by(e)}`,
};

/** Tells an event in one line. */
export function tell(event) {
  const found = TELL[event.kind];
  if (found) return found(event);
  return `${event.task ? `${event.task}: ` : ""}${word(event.kind ?? "event")}${by(event)}`;
}

export function names(some, most = 3) {
  const list = some ?? [];
  const shown = list.slice(0, most).join(", ");
  return list.length > most ? `${shown} and ${number(list.length - most)} more` : shown;
}

/** Returns a value as indented JSON; a text as it is. */
export function pretty(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** Returns how many of the known tasks have come to an end, in whole percent. */
export function percent(done, known) {
  return known ? Math.floor((100 * done) / known) : 0;
}

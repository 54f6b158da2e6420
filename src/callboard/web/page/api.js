// Talks to the server: JSON both ways, problems as errors with words, and streams of events.

const BASE = new URL("api/v1/", document.baseURI);
const KEY = "callboard-token";
const WAITS = [500, 1000, 2000, 4000, 8000];
/** The server says something every 15 seconds; after this silence the line is taken for dead. */
const SILENCE = 45000;
/** Browsers keep few lines to one server: a page that nobody sees for so long gives up its own. */
const UNSEEN = 20000;

let token = null;
try {
  token = sessionStorage.getItem(KEY);
} catch {
  // Storage may be forbidden; then the token lives as long as the page.
}

/** What went wrong, in the server's words. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `the server answered ${status}`);
    this.status = status;
    this.errors = body.errors?.length ? body.errors.map(String) : [this.message];
    this.kind = body.type ?? "";
  }
}

let askForToken = null;
let asking = null;

/** Says who asks a person for a token when the server wants one. */
export function onUnauthorized(ask) {
  askForToken = ask;
}

async function newToken(problem) {
  asking ??= askForToken(token ? problem.message : null).finally(() => {
    asking = null;
  });
  token = await asking;
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    // As above.
  }
}

export function forgetToken() {
  token = null;
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // As above.
  }
}

export const hasToken = () => token !== null;

/** Returns the address of something under the API; each part of the path is escaped. */
export function address(path, query = {}) {
  const parts = path.map((part) => encodeURIComponent(part)).join("/");
  const url = new URL(parts, BASE);
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null || value === "") continue;
    for (const each of [value].flat()) url.searchParams.append(name, each);
  }
  return url;
}

async function send(path, { method = "GET", query, body, accept = "application/json", headers = {}, signal } = {}) {
  for (;;) {
    const sent = token;
    const told = { Accept: accept, ...headers };
    if (token) told.Authorization = `Bearer ${token}`;
    if (body !== undefined) told["Content-Type"] = "application/json";
    let response;
    try {
      response = await fetch(address(path, query), {
        method, headers: told, signal, cache: "no-store", credentials: "same-origin",
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, { detail: "The server cannot be reached." });
    }
    if (response.ok) return response;
    const problem = new Problem(response.status, await response.json().catch(() => ({})));
    if (response.status !== 401 || !askForToken) throw problem;
    if (sent === token) await newToken(problem);
  }
}

/** Asks for JSON: ask(["runs", id], {method, query, body}). */
export async function ask(path, options) {
  const response = await send(path, options);
  return response.status === 204 ? null : response.json();
}

/** Asks for a file. */
export async function fetchBlob(path, query) {
  return (await send(path, { query, accept: "*/*" })).blob();
}

/**
 * Follows a stream of events until it ends; connects again by itself, behind the last event.
 *
 * told(kind, data, id) takes each event. connected(is) hears of the line being lost and found.
 * over() says whether a line that closed is to stay closed.
 */
export async function follow(path, { query = {}, after = null, told, connected = () => {}, over = () => false, signal }) {
  let last = after;
  let failures = 0;
  while (!signal.aborted) {
    const line = new AbortController();
    const stop = () => line.abort();
    signal.addEventListener("abort", stop);
    const seen = watchUnseen(stop);
    try {
      const headers = last === null ? {} : { "Last-Event-ID": String(last) };
      const response = await send(path, { query, accept: "text/event-stream", headers, signal: line.signal });
      let ended = false;
      await readStream(response.body, line, (kind, data, id) => {
        if (failures) connected(true);
        failures = 0;
        if (id !== null) last = id;
        if (kind === "end") ended = true;
        else if (kind) told(kind, data, id);
      });
      if (ended || over()) return;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status >= 400 && error.status < 500 && error.status !== 429) throw error;
    } finally {
      signal.removeEventListener("abort", stop);
      seen.end();
    }
    if (seen.slept) {
      await seen.again(signal);
      continue;
    }
    failures += 1;
    connected(false);
    const wait = WAITS[Math.min(failures, WAITS.length) - 1] * (0.75 + Math.random() / 2);
    await pause(wait, signal);
  }
}

/** Calls stop() when the page has not been seen for a while; again() waits until it is. */
function watchUnseen(stop) {
  let timer = null;
  const found = {
    slept: false,
    end() {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", look);
    },
    again: (signal) => new Promise((resolve) => {
      const go = () => {
        if (document.hidden && !signal.aborted) return;
        document.removeEventListener("visibilitychange", go);
        signal.removeEventListener("abort", go);
        resolve();
      };
      document.addEventListener("visibilitychange", go);
      signal.addEventListener("abort", go);
      go();
    }),
  };
  const look = () => {
    clearTimeout(timer);
    if (!document.hidden) return;
    timer = setTimeout(() => {
      found.slept = true;
      stop();
    }, UNSEEN);
  };
  document.addEventListener("visibilitychange", look);
  look();
  return found;
}

async function readStream(body, line, heard) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let fields = {};
  let watchdog;
  try {
    for (;;) {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => line.abort(), SILENCE);
      const { value, done } = await reader.read();
      if (done) return;
      heard(null, null, null);
      const lines = (rest + value).split(/\r?\n/);
      rest = lines.pop();
      for (const each of lines) fields = readLine(each, fields, heard);
    }
  } finally {
    clearTimeout(watchdog);
    line.abort();
  }
}

function readLine(line, fields, heard) {
  if (line === "") {
    if (fields.data !== undefined) heard(fields.event ?? "message", JSON.parse(fields.data || "null"), fields.id ?? null);
    return {};
  }
  if (line.startsWith(":")) return fields;
  const colon = line.indexOf(":");
  const name = colon < 0 ? line : line.slice(0, colon);
  const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
  if (name === "data" && fields.data !== undefined) return { ...fields, data: `${fields.data}\n${value}` };
  return { ...fields, [name]: value };
}

/** Waits, but not when the browser says that it is online again. */
function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const go = () => {
      clearTimeout(timer);
      window.removeEventListener("online", go);
      signal.removeEventListener("abort", go);
      resolve();
    };
    const timer = setTimeout(go, milliseconds);
    window.addEventListener("online", go);
    signal.addEventListener("abort", go);
  });
}

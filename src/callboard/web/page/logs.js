// What tasks wrote, live.

import { follow } from "./api.js";
import { button, h, setText } from "./dom.js";
import { count, when } from "./words.js";

const LINES_MAX = 5000;

/** Shows the lines of one task, or of all tasks of a run, until it is closed. */
export function logView(shell, run, task, { ended, open }) {
  const stop = new AbortController();
  const lines = h("ol", { class: "lines", role: "log", "aria-label": task ? `Logs of ${task}` : "Logs", tabindex: "0" });
  const empty = h("p", { class: "empty" }, "Nothing was written yet.");
  const dropped = h("p", { class: "hint", hidden: true });
  const down = button("↓ newest", () => {
    lines.scrollTop = lines.scrollHeight;
  }, { class: "newest", hidden: true });
  let gone = 0;
  let waiting = [];
  let timer = null;

  const atEnd = () => lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 24;
  lines.addEventListener("scroll", () => {
    down.hidden = atEnd();
  }, { passive: true });

  function flush() {
    timer = null;
    const stay = atEnd();
    lines.append(...waiting.map((line) => lineOf(line, task, open)));
    waiting = [];
    while (lines.childElementCount > LINES_MAX) {
      lines.firstChild.remove();
      gone += 1;
    }
    dropped.hidden = !gone;
    setText(dropped, `${count(gone, "earlier line")} left out here`);
    empty.hidden = lines.childElementCount > 0;
    // Whoever reads further up is not moved.
    if (stay) lines.scrollTop = lines.scrollHeight;
    else down.hidden = false;
  }

  follow(["runs", run, "logs"], {
    query: { task }, signal: stop.signal, over: ended,
    told(kind, line) {
      if (!line || typeof line !== "object" || line.text === undefined) return;
      waiting.push(line);
      timer ??= setTimeout(flush, 80);
    },
  }).then(() => setText(empty, "Nothing was written."), shell.fail);

  return {
    element: h("div", { class: "logs" }, dropped, empty, lines, down),
    close() {
      clearTimeout(timer);
      stop.abort();
    },
  };
}

function lineOf(line, task, open) {
  const fraction = line.data?.fraction;
  const done = line.stream === "progress" && typeof fraction === "number" ? `${Math.floor(fraction * 100)} % ` : "";
  const tries = line.attempt > 1 ? `#${line.attempt}` : "";
  return h("li", { class: `stream-${["stderr", "log", "progress"].includes(line.stream) ? line.stream : "stdout"}` },
    h("time", { datetime: line.at, title: line.at }, when(line.at)), " ",
    task ? (tries ? h("span", { class: "who" }, `${tries} `) : null) : [button(`${line.task}${tries}`, () => open(line.task), { class: "link who" }), " "],
    line.stream === "stdout" ? null : h("span", { class: "stream" }, `${line.stream} `),
    h("span", { class: "text" }, done + (line.text ?? "")));
}

// Dialogs: questions before something is stopped or done anew, the token, and the keys.

import { button, fresh, h } from "./dom.js";

/**
 * Opens a dialog and returns what it was closed with; null if it was left.
 *
 * submit() gives the value, or throws what is to be shown in the dialog instead of closing it.
 */
export function openDialog({ title, body, action, danger = false, submit, leavable = true, wide = false }) {
  return new Promise((resolve) => {
    const id = fresh("dialog");
    const error = h("div", { class: "error", role: "alert", hidden: true });
    const go = h("button", { type: "submit", class: danger ? "danger" : "primary" }, action ?? "Close");
    const leave = action && leavable ? button("Back", () => dialog.close(), {}) : null;
    const form = h("form", { method: "dialog", novalidate: true }, h("h2", { id }, title), body, error,
      h("div", { class: "buttons" }, leave, go));
    const dialog = h("dialog", { "aria-labelledby": id, class: wide ? "wide" : null }, form);
    let answer = null;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      error.hidden = true;
      go.disabled = true;
      try {
        answer = submit ? await submit() : true;
        dialog.close();
      } catch (wrong) {
        const lines = wrong.errors ?? [wrong.message];
        error.replaceChildren(...lines.map((line) => h("p", {}, line)));
        error.hidden = !lines.length;
      } finally {
        go.disabled = false;
      }
    });
    dialog.addEventListener("cancel", (event) => {
      if (!leavable) event.preventDefault();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
    (dialog.querySelector("input, select, textarea") ?? go).focus();
  });
}

/** Asks before something that cannot be taken back; throws what the server says against it. */
export function confirmDialog({ title, text, action, danger = true, field, act }) {
  const input = field ? h("input", { type: "text", autocomplete: "off", id: fresh("field") }) : null;
  const body = [h("p", {}, text)];
  if (input) body.push(h("div", { class: "field" }, h("label", { for: input.id }, field), input));
  return openDialog({ title, body, action, danger, submit: async () => {
    await act(input?.value.trim() || undefined);
    return true;
  } });
}

export async function askToken(why) {
  const input = h("input", { type: "password", id: fresh("field"), autocomplete: "off" });
  return openDialog({
    title: "A token, please",
    body: [
      h("p", {}, "This server wants to know who asks. The token is kept in this tab until it is closed."),
      why ? h("p", { class: "error" }, why) : null,
      h("div", { class: "field" }, h("label", { for: input.id }, "Token"), input),
    ],
    action: "Go on", leavable: false,
    submit() {
      const token = input.value.trim();
      if (!/^[\x21-\x7e]+$/.test(token)) throw new Error("Give the token: letters, digits and signs without blanks.");
      return token;
    },
  });
}

export const KEYS = [
  ["/", "search runs, or find a task"],
  ["?", "these keys"],
  ["n", "start a run (in the list of runs)"],
  ["u", "up: back to the list of runs"],
  ["g  t  e  l", "graph, tasks, events, logs of a run"],
  ["↑ ↓", "in the graph: along the edges"],
  ["← →", "in the graph: to the neighbours"],
  ["Enter", "open the task"],
  ["Esc", "close the task"],
  ["+  −  0", "in the graph: closer, farther, all of it"],
  [",  .", "one event back, one event on"],
];

export function helpDialog(keys) {
  const on = h("input", { type: "checkbox", checked: keys.on });
  on.addEventListener("change", () => keys.set(on.checked));
  const rows = KEYS.map(([key, what]) => h("tr", {},
    h("th", { scope: "row" }, key.split(/\s+/).map((each) => [h("kbd", {}, each), " "])), h("td", {}, what)));
  return openDialog({
    title: "Keys",
    body: [h("table", { class: "keys" }, h("tbody", {}, rows)),
      h("p", {}, h("label", { class: "radio" }, on, "Single letters are keys (never while you write)"))],
  });
}

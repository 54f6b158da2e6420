// The frame of the page: what is shown, where one is, the theme, the keys, and what is said aloud.

import { ask, onUnauthorized } from "./api.js";
import { askToken, helpDialog } from "./dialogs.js";
import { button, h, setAttr, setText } from "./dom.js";
import { showRun } from "./run.js";
import { showRuns } from "./runs.js";

const main = document.getElementById("main");
const said = document.getElementById("said");
const toasts = document.getElementById("toasts");
const crumbs = h("nav", { "aria-label": "Where you are", class: "crumbs" });
const line = h("p", { class: "line", hidden: true }, "reconnecting…");

// --- theme --------------------------------------------------------------------------------------

const THEMES = { auto: ["◑", "as the system"], light: ["☀", "light"], dark: ["☾", "dark"] };

function stored(key, fallback) {
  try {
    return localStorage.getItem(key) ?? fallback;
  } catch {
    return fallback;
  }
}

function store(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Then it holds for this page alone.
  }
}

let theme = stored("callboard-theme", "auto");
const themeButton = button("", () => {
  const order = Object.keys(THEMES);
  setTheme(order[(order.indexOf(theme) + 1) % order.length]);
}, { class: "icon" });

function setTheme(name) {
  theme = name in THEMES ? name : "auto";
  const [sign, text] = THEMES[theme];
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  setText(themeButton, sign);
  setAttr(themeButton, "aria-label", `Colours: ${text}; change`);
  setAttr(themeButton, "title", `Colours: ${text}`);
  store("callboard-theme", theme);
}

// --- what views use -----------------------------------------------------------------------------

let sentences = [];
let speaking = null;

/** What views are given of the frame. */
const shell = {
  roles: null,
  main,
  may: (role) => shell.roles === null || shell.roles.includes(role) || shell.roles.includes("admin"),

  /** Says something to whoever listens to the page; what comes at once is said as one. */
  say(text) {
    sentences.push(text);
    speaking ??= setTimeout(() => {
      speaking = null;
      const more = sentences.length > 4 ? `, and ${sentences.length - 4} more` : "";
      said.textContent = sentences.slice(0, 4).join("; ") + more;
      sentences = [];
    }, 700);
  },

  /** Shows an error in words until it is put away. */
  fail(error) {
    if (error?.name === "AbortError") return;
    const texts = error?.errors ?? [error?.message ?? String(error)];
    const toast = h("div", { class: "toast" }, h("div", {}, texts.map((text) => h("p", {}, text))),
      button("×", () => toast.remove(), { "aria-label": "Put away", class: "icon" }));
    toasts.append(toast);
    while (toasts.children.length > 3) toasts.firstChild.remove();
  },

  crumbs(...parts) {
    crumbs.replaceChildren(h("ol", {}, parts.map((part) => h("li", {}, part))));
  },

  title(text) {
    document.title = text ? `${text} · callboard` : "callboard";
  },

  /** Shows whether the line to the server holds. */
  connected(is) {
    if (line.hidden !== is) shell.say(is ? "connected again" : "the connection is lost, reconnecting");
    line.hidden = is;
  },

  go(hash) {
    location.hash = hash;
  },

  /** Changes the address without a new view: what is selected, which tab. */
  replace(hash) {
    if (location.hash !== hash) history.replaceState(null, "", hash);
  },
};

// --- where one is -------------------------------------------------------------------------------

let view = null;

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // somebody wrote it by hand
  }
}

function place() {
  const [path, query = ""] = location.hash.replace(/^#?\/?/, "").split("?");
  const parts = path.split("/").filter(Boolean).map(decoded);
  return { parts, query: new URLSearchParams(query) };
}

function route() {
  const { parts, query } = place();
  const key = parts.join("/");
  if (view && view.key === key) {
    view.update?.(query);
    return;
  }
  view?.close();
  document.querySelectorAll("dialog").forEach((each) => each.close());
  line.hidden = true;
  main.replaceChildren();
  main.className = "";
  window.scrollTo(0, 0);
  view = parts[0] === "runs" && parts[1] ? showRun(shell, parts[1], query) : showRuns(shell, query);
  view.key = key;
}

// --- keys ---------------------------------------------------------------------------------------

const keys = {
  on: stored("callboard-keys", "on") === "on",
  set(on) {
    keys.on = on;
    store("callboard-keys", on ? "on" : "off");
  },
};

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.target.matches("input, select, textarea") && event.target.type !== "range") {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.key.length === 1 && !keys.on) return;
  if (event.key === "?") {
    event.preventDefault();
    helpDialog(keys);
  } else if (event.key === "/") {
    const search = main.querySelector("input[type=search]");
    if (search) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  } else if (view?.press?.(event)) {
    event.preventDefault();
  }
});

// --- the start ----------------------------------------------------------------------------------

document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the fragment says where one is: it must not become #main
  main.focus();
});
document.getElementById("top").append(
  h("a", { href: "#/", class: "brand" }, h("span", { class: "mark", "aria-hidden": "true" }), "callboard"),
  crumbs, line, themeButton,
  button("?", () => helpDialog(keys), { class: "icon", "aria-label": "Keys", title: "Keys (?)" }),
);
setTheme(theme);
onUnauthorized(askToken);
window.addEventListener("hashchange", route);
window.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  shell.fail(event.reason);
});
route();
ask(["status"]).then((status) => {
  shell.roles = status.who?.roles ?? null;
  view?.allowed?.();
}, () => {});

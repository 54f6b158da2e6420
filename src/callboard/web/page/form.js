// A form made from a JSON Schema: typed fields, and what is wrong shown beside each of them.

import { fresh, h, setAttr } from "./dom.js";
import { pretty } from "./words.js";

const WHAT = {
  string: "a text", number: "a number", integer: "a whole number", boolean: "yes or no",
  array: "a list, as JSON", object: "a mapping, as JSON",
};

/** Returned by a field into which nothing was written. */
const NOTHING = Symbol("nothing");

/** Finds the field that a sentence of the server is about. */
const NAMED = [
  /input "([^"]+)"/,
  /the answer\.([^\s.[\]]+)/,
  /the answer lacks ['"]([^'"]+)['"]/,
  /has no input "([^"]+)"/,
];

function typeOf(schema) {
  if (Array.isArray(schema.type)) return schema.type.find((each) => each !== "null") ?? "any";
  if (schema.type) return schema.type;
  return schema.properties ? "object" : "any";
}

/**
 * Returns {element, read, show}: read() gives {value, ok}, and marks what is wrong; show(errors)
 * puts the server's sentences beside their fields and returns those that belong to none.
 */
export function formOf(schema, { label = "Value" } = {}) {
  const rules = schema && typeof schema === "object" ? schema : {};
  if (typeOf(rules) === "object" && rules.properties) return groupOf(rules);
  const only = fieldOf(label, rules, true);
  return {
    element: only.element,
    read() {
      const value = only.read();
      return { ok: !only.wrong(), value: value === NOTHING ? null : value };
    },
    show(errors) {
      only.tell(errors.join("; "));
      return [];
    },
  };
}

function groupOf(rules) {
  const required = new Set(rules.required ?? []);
  const fields = Object.entries(rules.properties).map(([name, each]) => [name, fieldOf(name, each, required.has(name))]);
  const byName = new Map(fields);
  return {
    element: h("div", { class: "fields" }, fields.map(([, field]) => field.element)),
    read() {
      const value = {};
      let first = null;
      for (const [name, field] of fields) {
        const read = field.read();
        if (field.wrong()) first ??= field;
        if (read !== NOTHING) value[name] = read;
      }
      first?.focus();
      return { ok: first === null, value };
    },
    show(errors) {
      let first = null;
      const rest = errors.filter((error) => {
        const name = NAMED.map((pattern) => pattern.exec(error)?.[1]).find(Boolean);
        const field = name === undefined ? undefined : byName.get(name);
        field?.tell(error);
        first ??= field ?? null;
        return !field;
      });
      first?.focus();
      return rest;
    },
  };
}

function fieldOf(name, schema, required) {
  const rules = schema && typeof schema === "object" ? schema : {};
  const type = typeOf(rules);
  if (type === "object" && rules.properties) return nested(name, rules, required);
  const id = fresh("field");
  const control = controlOf(id, rules, type, required);
  const error = h("p", { class: "error", id: `${id}-error`, hidden: true });
  const hint = [rules.description, type in WHAT && !rules.enum ? WHAT[type] : null, limits(rules)];
  const note = h("p", { class: "hint", id: `${id}-hint` }, hint.filter(Boolean).join(" · "));
  const title = h(control.many ? "span" : "label", control.many ? { id: `${id}-label` } : { for: id },
    rules.title ?? name, required ? h("span", { class: "required" }, " (required)") : null);
  const field = {
    element: h("div", { class: "field" }, title, control.element, note, error),
    read() {
      field.tell("");
      try {
        const value = control.read();
        if (value === NOTHING && required) throw new Error(`is missing; give ${WHAT[type] ?? "a value"}`);
        check(value, rules, type);
        return value;
      } catch (wrong) {
        field.tell(wrong.message);
        return NOTHING;
      }
    },
    wrong: () => !error.hidden,
    focus: () => control.focus(),
    tell(text) {
      error.textContent = text;
      error.hidden = !text;
      setAttr(control.marked, "aria-invalid", text ? "true" : null);
    },
  };
  setAttr(control.marked, "aria-describedby", `${id}-hint ${id}-error`);
  return field;
}

function nested(name, rules, required) {
  const group = groupOf(rules);
  const error = h("p", { class: "error", hidden: true });
  let wrong = false;
  return {
    element: h("fieldset", { class: "field" }, h("legend", {}, rules.title ?? name), group.element, error),
    read() {
      const { ok, value } = group.read();
      wrong = !ok;
      error.hidden = true;
      return Object.keys(value).length || required ? value : NOTHING;
    },
    wrong: () => wrong || !error.hidden,
    focus() {
      group.element.querySelector("[aria-invalid], input, select, textarea")?.focus();
    },
    tell(text) {
      error.textContent = text;
      error.hidden = !text;
    },
  };
}

// --- controls -----------------------------------------------------------------------------------

function controlOf(id, rules, type, required) {
  if (rules.enum) return choice(id, rules.enum, rules.default, required);
  if (type === "boolean") return yesOrNo(id, rules.default, required);
  if (type === "string") return line(id, rules, (text) => text);
  if (type === "number" || type === "integer") return line(id, rules, (text) => numeric(text, type), "decimal");
  return json(id, rules.default);
}

function line(id, rules, parse, mode) {
  const initial = rules.default ?? "";
  const props = { id, type: rules.format === "password" ? "password" : "text", value: String(initial), autocomplete: "off", spellcheck: "false", inputmode: mode };
  const input = h("input", props);
  return {
    element: input, marked: input, focus: () => input.focus(),
    // A text may be empty where one was given before; of a number nothing is left then.
    read: () => (input.value === "" && (mode || initial === "") ? NOTHING : parse(input.value)),
  };
}

function numeric(text, type) {
  const value = Number(text.trim());
  if (text.trim() === "" || !Number.isFinite(value)) throw new Error(`must be ${WHAT[type]}, not the text "${text}"`);
  if (type === "integer" && !Number.isInteger(value)) throw new Error(`must be a whole number, not ${text}`);
  return value;
}

function choice(id, values, initial, required) {
  const options = values.map((value, at) => h("option", { value: String(at) }, pretty(value)));
  if (!required || initial === undefined) options.unshift(h("option", { value: "" }, required ? "Choose…" : "–"));
  const select = h("select", { id }, options);
  const at = values.indexOf(initial);
  select.value = at < 0 ? options[0].value : String(at);
  return {
    element: select, marked: select, focus: () => select.focus(),
    read: () => (select.value === "" ? NOTHING : values[Number(select.value)]),
  };
}

function yesOrNo(id, initial) {
  const radio = (value, text) => {
    const input = h("input", { type: "radio", name: id, value: String(value), checked: initial === value });
    return h("label", { class: "radio" }, input, text);
  };
  const group = h("div", { class: "radios", role: "radiogroup", "aria-labelledby": `${id}-label` }, radio(true, "Yes"), radio(false, "No"));
  return {
    element: group, marked: group, many: true, focus: () => group.querySelector("input").focus(),
    read() {
      const chosen = group.querySelector("input:checked");
      return chosen ? chosen.value === "true" : NOTHING;
    },
  };
}

function json(id, initial) {
  const text = initial === undefined || initial === null ? "" : JSON.stringify(initial, null, 2);
  const area = h("textarea", { id, rows: "4", spellcheck: "false", class: "code", value: text });
  return {
    element: area, marked: area, focus: () => area.focus(),
    read() {
      if (!area.value.trim()) return NOTHING;
      try {
        return JSON.parse(area.value);
      } catch (error) {
        throw new Error(`is no JSON: ${error.message}`);
      }
    },
  };
}

// --- checks -------------------------------------------------------------------------------------

function limits(rules) {
  const { minimum: low, maximum: high } = rules;
  if (low !== undefined && high !== undefined) return `from ${low} to ${high}`;
  if (low !== undefined) return `at least ${low}`;
  return high === undefined ? null : `at most ${high}`;
}

function check(value, rules, type) {
  if (value === NOTHING) return;
  if (type === "array" && !Array.isArray(value)) throw new Error(`must be a list, not ${JSON.stringify(value)}`);
  if (type === "object" && (typeof value !== "object" || value === null || Array.isArray(value))) {
    throw new Error(`must be a mapping, not ${JSON.stringify(value)}`);
  }
  if (rules.minimum !== undefined && value < rules.minimum) throw new Error(`must be at least ${rules.minimum}`);
  if (rules.maximum !== undefined && value > rules.maximum) throw new Error(`must be at most ${rules.maximum}`);
  if (rules.minLength && value.length < rules.minLength) throw new Error(`must have at least ${rules.minLength} characters`);
  if (rules.pattern && typeof value === "string" && !new RegExp(rules.pattern, "u").test(value)) {
    throw new Error(`must look like ${rules.pattern}`);
  }
}

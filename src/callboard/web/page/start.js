// Starting a run: a form of the inputs that its workflow declares.

import { ask } from "./api.js";
import { openDialog } from "./dialogs.js";
import { fresh, h } from "./dom.js";
import { formOf } from "./form.js";

export async function startDialog(shell, wanted) {
  let workflows;
  try {
    workflows = (await ask(["workflows"], { query: { limit: 1000 } })).items.filter((each) => !each.deprecated);
  } catch (error) {
    shell.fail(error);
    return;
  }
  if (!workflows.length) {
    await openDialog({
      title: "Start a run",
      body: h("p", {}, "This server knows no workflow yet: give it files when it is started, or POST a definition to api/v1/workflows."),
    });
    return;
  }
  const choose = h("select", { id: fresh("field") }, workflows.map((each, at) => h("option", { value: String(at) }, each.name)));
  const about = h("p", { class: "hint" });
  const inputs = h("div", {});
  const more = Object.fromEntries(["run_id", "topic", "job"].map((name) => [name, h("input", { type: "text", id: fresh("field"), autocomplete: "off" })]));
  let form;

  function choice() {
    return workflows[Number(choose.value)];
  }
  function show() {
    about.textContent = choice().description ?? "";
    const schema = choice().inputs ?? {};
    const declared = Object.keys(schema.properties ?? {}).length > 0;
    form = declared ? formOf(schema) : null;
    inputs.replaceChildren(declared ? form.element : h("p", { class: "hint" }, "It takes no inputs."));
  }
  choose.addEventListener("change", show);
  const at = workflows.findIndex((each) => each.name === wanted);
  if (at >= 0) choose.value = String(at);
  show();

  const started = await openDialog({
    title: "Start a run", action: "Start", wide: true,
    body: [
      h("div", { class: "field" }, h("label", { for: choose.id }, "Workflow"), choose, about),
      inputs,
      h("details", {}, h("summary", {}, "Id, topic and job"),
        h("div", { class: "fields" }, Object.entries({ run_id: "Id (made up if empty)", topic: "Topic", job: "Job" }).map(([name, label]) =>
          h("div", { class: "field" }, h("label", { for: more[name].id }, label), more[name])))),
    ],
    async submit() {
      const read = form ? form.read() : { ok: true, value: {} };
      if (!read.ok) throw Object.assign(new Error(), { errors: [] }); // told at the fields
      const body = { workflow: choice().name, inputs: read.value };
      for (const [name, input] of Object.entries(more)) if (input.value.trim()) body[name] = input.value.trim();
      try {
        return await ask(["runs"], { method: "POST", body });
      } catch (error) {
        if (form && error.errors) error.errors = form.show(error.errors);
        throw error;
      }
    },
  });
  if (started) shell.go(`#/runs/${encodeURIComponent(started.run)}`);
}

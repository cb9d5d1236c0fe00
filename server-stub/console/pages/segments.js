// Segments: conditions with a name, edited in a dialog.
import { del, put, step } from "../api.js";
import { h } from "../dom.js";
import { Entry, Form, jsonOf, valueOf } from "../form.js";
import { json } from "../format.js";
import { button, confirm, dialog, run, say, table } from "../parts.js";

const EXAMPLE = { all: [{ trait: { name: "spend", op: ">=", value: 100 } }, { event: { name: "purchase", withinDays: 30, atLeast: 2 } }] };

export function segments(all, again) {
  const edit = async (name) => {
    if (await editor(name, name === null ? null : all[name])) again();
  };
  const remove = (event, name) => run(event, async () => {
    if (!(await confirm(`Delete the segment ${name}?`, "One that a flag or a campaign asks for stays, and you are told which.", "Delete segment"))) return;
    await del(`segments/${step(name)}`);
    say(`The segment ${name} is deleted.`);
    again();
  });
  return [
    table("Segments", [
      { head: "Segment", cell: ([name]) => h("span", { class: "name" }, name) },
      { head: "Who", cell: ([, segment]) => [segment.description && h("div", {}, segment.description), h("code", { class: "wrap" }, JSON.stringify(segment.when))] },
      { head: "", kind: "end", cell: ([name]) => [button("Edit", () => edit(name), "small", { "aria-label": `Edit ${name}` }), " ",
        button("Delete", (event) => remove(event, name), "small danger-quiet", { "aria-label": `Delete ${name}` })] },
    ], Object.entries(all), { empty: h("p", { class: "muted" }, "None yet. A segment is a condition on what is known of a player, with a name.") }),
    button("New segment", () => edit(null), "small"),
  ];
}

/** Resolves to true when something was saved. */
function editor(name, segment) {
  return dialog(name === null ? "New segment" : `Segment ${name}`, (close) => {
    const form = new Form({ label: "Segment", isNew: true, saveText: "Save segment", save });
    form.onDiscard = () => close(false);
    const nameField = name === null && form.text("name", "Name", "", { mono: true });
    const words = form.text("description", "For people", segment?.description);
    const when = form.area("when", "Who belongs to it, as JSON", segment ? json(segment.when) : "", {
      rows: 8, placeholder: json(EXAMPLE), hint: "all, any, not, trait, attribute, event.",
    });
    async function save() {
      const target = name ?? valueOf(nameField);
      if (!target) throw new Entry("name", "A segment needs a name.");
      const condition = jsonOf(when, "when");
      if (condition === undefined) throw new Entry("when", "A segment needs a condition.");
      await put(`segments/${step(target)}`, { description: valueOf(words), when: condition });
      say(`The segment ${target} is saved.`);
      form.settle();
      close(true);
    }
    return form.build(nameField, words, when);
  }, { kind: "wide" });
}

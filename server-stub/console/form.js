// Forms: fields with their labels, hints and errors; what the server says of a member is shown at its field; unsaved edits are known.
import { fill, h, icon } from "./dom.js";
import { fromLocal, toLocal, utcOf } from "./format.js";
import { button, note, onKeepEdits } from "./parts.js";

let serial = 0;

/** A wrong entry that is seen before the server is asked. */
export class Entry extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

/** The forms on the page; one with edits that nobody has saved makes the page ask before it goes away. */
const open = new Set();
export function unsaved(within = document) {
  for (const form of open) if (!form.element.isConnected && form.saved !== undefined) open.delete(form);
  return [...open].some((form) => within.contains(form.element) && form.changed());
}
onKeepEdits(unsaved);
addEventListener("beforeunload", (event) => {
  if (unsaved()) event.preventDefault();
});

export class Form {
  /** `save(form)` sends; what it throws is shown. `keeps`: what is typed is worth a question before it is lost. */
  constructor({ label, save, saveText = "Save", isNew = false, keeps = true }) {
    this.fields = new Map();
    this.isNew = isNew;
    this.keeps = keeps;
    this.problems = h("div", { class: "form-problems" });
    this.body = h("div", { class: "form-body" });
    this.saveButton = h("button", { type: "submit", class: "primary" }, saveText);
    this.state = h("span", { class: "form-state" });
    this.bar = h("div", { class: "form-bar" }, this.state, button("Discard edits", () => this.discard(), "quiet discard"), this.saveButton);
    this.element = h("form", {
      "aria-label": label, novalidate: true, autocomplete: "off",
      on: { input: () => this.look(), change: () => this.look(), submit: (event) => this.submit(event, save) },
    }, this.problems, this.body, this.bar);
    if (keeps) open.add(this);
  }

  /** Shows the fields; from here on, edits count. */
  build(...children) {
    fill(this.body, ...children);
    this.saved = this.snapshot();
    this.look();
    return this.element;
  }

  snapshot() {
    const controls = this.body.querySelectorAll("input, textarea, select");
    return JSON.stringify([...controls].map((c) => (c.type === "checkbox" || c.type === "radio" ? c.checked : c.value)));
  }

  changed() {
    return this.saved !== undefined && this.snapshot() !== this.saved;
  }

  look() {
    const changed = this.keeps && this.changed();
    this.element.classList.toggle("changed", changed);
    this.state.textContent = changed ? "Unsaved edits" : "";
    this.saveButton.disabled = !changed && !this.isNew;
  }

  /** Nothing is left to save. */
  settle() {
    this.saved = this.snapshot();
    this.isNew = false;
    this.look();
  }

  async discard() {
    this.saved = undefined;
    this.onDiscard?.();
  }

  clear() {
    fill(this.problems);
    for (const field of new Set(this.fields.values())) field.wrong("");
  }

  /** A member's path, `rules[0].when["attr.level"]`, finds the field of the longest of its beginnings. */
  find(path) {
    for (let text = path ?? ""; text; text = text.replace(/(\.?[^.[\]]+|\[[^\]]*\]|.)$/, "")) {
      if (this.fields.has(text)) return this.fields.get(text);
    }
    return undefined;
  }

  show(problem) {
    const field = this.find(problem.field);
    if (field) {
      field.wrong(problem.message);
      field.focus();
    } else {
      fill(this.problems, note("bad", h("p", {}, problem.message)));
      this.problems.scrollIntoView({ block: "center" });
    }
  }

  async submit(event, save) {
    event.preventDefault();
    if (this.saveButton.getAttribute("aria-busy") === "true") return;
    this.clear();
    this.saveButton.setAttribute("aria-busy", "true");
    try {
      await save(this);
    } catch (problem) {
      if (problem.name !== "AbortError") this.show(problem);
    } finally {
      this.saveButton.removeAttribute("aria-busy");
    }
  }

  /** A labelled control. `path` is the member that it stands for. */
  field(path, label, control, { hint, wide = false, check = false } = {}) {
    const id = `f${(serial += 1)}`;
    const target = control.matches("input, textarea, select") ? control : control.querySelector("input, textarea, select") ?? control;
    target.id ||= id;
    const error = h("p", { class: "field-error", id: `${id}-error` });
    const help = hint ? h("p", { class: "field-hint", id: `${id}-hint` }, hint) : null;
    const described = [help && `${id}-hint`, `${id}-error`].filter(Boolean).join(" ");
    target.setAttribute("aria-describedby", described);
    const name = h("label", { for: target.id }, label);
    const box = h("div", { class: `field${wide ? " wide" : ""}${check ? " check" : ""}` }, check ? [control, name] : [name, control], help, error);
    this.fields.set(path, {
      wrong(text) {
        error.textContent = text;
        box.classList.toggle("wrong", text !== "");
        if (text) {
          target.setAttribute("aria-invalid", "true");
          for (let up = box.parentElement; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
        } else target.removeAttribute("aria-invalid");
      },
      focus: () => target.focus(),
    });
    return box;
  }

  /** Several controls under one name. */
  group(path, label, content, { hint } = {}) {
    const id = `f${(serial += 1)}`;
    const error = h("p", { class: "field-error", id: `${id}-error` });
    const box = h("fieldset", { class: "field wide", "aria-describedby": `${id}-error` },
      h("legend", {}, label), hint && h("p", { class: "field-hint" }, hint), content, error);
    this.fields.set(path, {
      wrong(text) {
        error.textContent = text;
        box.classList.toggle("wrong", text !== "");
      },
      focus: () => box.querySelector("input, textarea, select, button")?.focus(),
    });
    return box;
  }

  text(path, label, value, options = {}) {
    const { type = "text", placeholder, list, mono, ...rest } = options;
    const props = { type, value: value ?? "", placeholder, list, class: mono ? "mono" : undefined, spellcheck: "false", inputmode: options.inputmode };
    return this.field(path, label, h("input", props), rest);
  }

  number(path, label, value, options = {}) {
    const { min, max, step = 1, ...rest } = options;
    return this.field(path, label, h("input", { type: "number", min, max, step, value: value ?? "" }), rest);
  }

  check(path, label, checked, options = {}) {
    return this.field(path, label, h("input", { type: "checkbox", checked }), { check: true, ...options });
  }

  select(path, label, value, choices, options = {}) {
    const list = choices.map(([key, text]) => h("option", { value: key, selected: key === value }, text));
    return this.field(path, label, h("select", {}, list), options);
  }

  area(path, label, value, options = {}) {
    const { rows = 4, placeholder, ...rest } = options;
    return this.field(path, label, h("textarea", { rows, placeholder, class: "mono", spellcheck: "false", value: value ?? "" }), { wide: true, ...rest });
  }

  /** A moment in the reader's own time; UTC beside it. */
  moment(path, label, at, options = {}) {
    const control = h("input", { type: "datetime-local", step: 1, value: toLocal(at) });
    const words = h("span", { class: "utc" });
    const look = () => { words.textContent = utcOf(control.value); };
    control.addEventListener("input", look);
    look();
    return this.field(path, label, h("div", { class: "moment" }, control, words), options);
  }
}

export const control = (box) => box.querySelector("input, textarea, select");
export const valueOf = (box) => control(box).value.trim();
export const checkedOf = (box) => control(box).checked;
export const momentOf = (box) => fromLocal(control(box).value);

/** A number, or nothing where nothing stands. */
export function numberOf(box, path) {
  const input = control(box);
  if (input.value === "" && !input.validity.badInput) return undefined;
  const value = Number(input.value);
  if (input.validity.badInput || !Number.isFinite(value)) throw new Entry(path, "This must be a number.");
  return value;
}

/** The JSON of a text area, or nothing where nothing stands. */
export function jsonOf(box, path) {
  const text = valueOf(box);
  if (!text) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Entry(path, `This is not JSON: ${error.message}`);
  }
}

/** Names, one a line or with commas between them. */
export function linesOf(box) {
  return valueOf(box).split(/[\n,]/).map((line) => line.trim()).filter(Boolean);
}

/** Rows that can be added and taken away. `make(entry)` gives the row's controls; each needs a name of its own. */
export function rows(what, entries, make, { add = `Add ${what}`, most = 200, changed } = {}) {
  const list = h("div", { class: "rows" });
  const put = (entry, focus) => {
    const row = h("div", { class: "row" }, make(entry, () => changed?.()));
    const remove = h("button", { type: "button", class: "icon-button", "aria-label": `Remove this ${what}`, title: `Remove this ${what}` }, icon("close"));
    remove.addEventListener("click", () => {
      const next = row.nextElementSibling ?? row.previousElementSibling;
      row.remove();
      (next?.querySelector("input, button") ?? more).focus();
      changed?.();
      list.dispatchEvent(new Event("input", { bubbles: true }));
    });
    row.append(remove);
    list.append(row);
    if (focus) row.querySelector("input")?.focus();
  };
  const more = button(add, () => {
    if (list.children.length >= most) return;
    put(undefined, true);
    changed?.();
    list.dispatchEvent(new Event("input", { bubbles: true }));
  }, "small");
  for (const entry of entries) put(entry, false);
  return { element: h("div", {}, list, more), rows: () => [...list.children] };
}

// What pages are made of: headings, tables, badges, dialogs, messages.
import { append, fill, h, icon } from "./dom.js";

export function page(title, { actions = [], back, lead } = {}, ...children) {
  return h("div", { class: "page" },
    back && h("p", { class: "back" }, h("a", { href: back.href }, `← ${back.text}`)),
    h("div", { class: "head" },
      h("h1", { tabindex: "-1" }, title),
      actions.length > 0 && h("div", { class: "actions" }, actions)),
    lead && h("p", { class: "lead" }, lead),
    children);
}

export function card(title, { actions = [], id } = {}, ...children) {
  return h("section", { class: "card", "aria-labelledby": id },
    title && h("div", { class: "card-head" }, h("h2", { id }, title), actions.length > 0 && h("div", { class: "actions" }, actions)),
    children);
}

export const badge = (text, kind = "plain") => h("span", { class: `badge ${kind}` }, text);

export function button(text, act, kind = "", more = {}) {
  return h("button", { type: "button", class: kind, on: { click: act }, ...more }, text);
}

export const link = (text, href, kind) => h("a", { href, class: kind }, text);

/** A table that becomes a list of cards where it is narrow. Columns: `{head, cell, kind}`; the first one names the row. */
export function table(caption, columns, rows, { empty } = {}) {
  if (rows.length === 0) return empty ?? h("p", { class: "muted" }, "Nothing here yet.");
  const cell = (column, row, place) => {
    const content = column.cell(row);
    const props = { class: column.kind, "data-label": column.head, role: place === 0 ? "rowheader" : "cell" };
    return place === 0 ? h("th", { ...props, scope: "row" }, content) : h("td", props, h("div", {}, content));
  };
  return h("table", { class: "cards", role: "table", "aria-label": caption },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" },
      columns.map((c) => h("th", { scope: "col", role: "columnheader", class: c.kind }, c.head)))),
    h("tbody", { role: "rowgroup" }, rows.map((row) => h("tr", { role: "row" }, columns.map((c, n) => cell(c, row, n))))));
}

/** A plain table of numbers in a box that scrolls by itself. */
export function numbers(caption, heads, rows) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {}, h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, n) => (n === 0 ? h("th", { scope: "row" }, cell) : h("td", {}, cell))))))));
}

export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(Boolean).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

export function stat(name, value, note, kind = "") {
  return h("div", { class: `stat ${kind}` }, h("div", { class: "stat-name" }, name), h("div", { class: "stat-value" }, value),
    note && h("div", { class: "stat-note" }, note));
}

/** How much of something is used. */
export function meter(label, value, limit, words) {
  const share = Math.min(1, value / limit);
  const kind = share > 0.95 ? "bad" : share > 0.8 ? "warn" : "";
  return h("div", { class: "meter" },
    h("div", { class: "meter-words" }, h("span", {}, label), h("span", {}, words)),
    h("div", {
      class: `meter-track ${kind}`, role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": limit,
      "aria-valuenow": value, "aria-valuetext": words,
    }, h("div", { class: "meter-fill", style: { width: `${share * 100}%` } })));
}

export const note = (kind, ...children) => h("div", { class: `note ${kind}`, role: kind === "bad" ? "alert" : undefined }, children);

export const nothing = (title, text, action) =>
  h("div", { class: "nothing" }, h("p", { class: "nothing-title" }, title), h("p", { class: "muted" }, text), action);

export function failed(problem, again) {
  return h("div", { class: "note bad", role: "alert" }, h("p", {}, problem.message), again && button("Try again", again));
}

/** Says something in passing; screen readers hear it. */
export function say(text, kind = "good") {
  const line = h("div", { class: `said ${kind}` }, text);
  document.getElementById("status").append(line);
  setTimeout(() => line.remove(), 6_000);
}

let serial = 0;
/** Whether a dialog has edits that are worth a question; forms say so. */
let keepEdits = () => false;
export const onKeepEdits = (ask) => { keepEdits = ask; };

/**
 * A dialog over the page. Focus stays within it and returns to where it was. Resolves to what `close(value)` was given;
 * Escape gives nothing.
 */
export function dialog(title, build, { locked = false, kind = "" } = {}) {
  return new Promise((resolve) => {
    let result;
    const before = document.activeElement;
    const id = `dialog${(serial += 1)}`;
    const box = h("dialog", { "aria-labelledby": id, class: kind });
    const close = (value) => {
      result = value;
      box.close();
    };
    box.addEventListener("cancel", async (event) => {
      if (locked) event.preventDefault();
      else if (event.cancelable && keepEdits(box)) {
        event.preventDefault();
        if (await confirm("Discard the edits?", "What you typed here is not saved.", "Discard")) close();
      }
    });
    box.addEventListener("close", () => {
      box.remove();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
      resolve(result);
    });
    append(box, [h("h2", { id }, title), build(close)]);
    document.body.append(box);
    box.showModal();
  });
}

/** Asks before something that players notice. Resolves to whether to go on. The safe answer has the focus. */
export async function confirm(title, text, yes, kind = "danger") {
  return (await dialog(title, (close) => [
    [text].flat().map((line) => (line instanceof Node ? line : h("p", {}, line))),
    h("div", { class: "dialog-actions" },
      button("Cancel", () => close(false), "", { autofocus: true }), button(yes, () => close(true), kind)),
  ])) === true;
}

/** Runs something that a button asked for: the button waits, and what goes wrong is said. */
export async function run(event, work) {
  const pressed = event?.currentTarget;
  if (pressed?.getAttribute("aria-busy") === "true") return undefined;
  pressed?.setAttribute("aria-busy", "true");
  try {
    return await work();
  } catch (problem) {
    if (problem.name !== "AbortError") say(problem.message, "bad");
    return undefined;
  } finally {
    pressed?.removeAttribute("aria-busy");
  }
}

export const tick = (ok) => h("span", { class: ok ? "tick good" : "tick bad" }, icon(ok ? "yes" : "no"), h("span", { class: "unseen" }, ok ? "yes" : "no"));

/** A part that loads by itself and shows how it fares. */
export function part(load) {
  const box = h("div", { "aria-busy": "true" }, h("p", { class: "muted loading" }, "Loading…"));
  const go = async () => {
    try {
      fill(box, await load());
    } catch (problem) {
      if (problem.name === "AbortError") return;
      fill(box, failed(problem, go));
    }
    box.removeAttribute("aria-busy");
  };
  go();
  return Object.assign(box, { reload: go });
}

// The frame around the pages: which page an address means, the key at the door, and the question before unsaved edits are lost.
import { Problem, actor, forgetKey, hasKey, keepKey, onKeyNeeded, tryKey } from "./api.js";
import { fill, h, icon } from "./dom.js";
import { duration } from "./format.js";
import { unsaved } from "./form.js";
import { button, confirm, dialog, failed, page } from "./parts.js";
import { campaign, newCampaign } from "./pages/campaign.js";
import { campaigns } from "./pages/campaigns.js";
import { experiment } from "./pages/experiment.js";
import { declare, experiments } from "./pages/experiments.js";
import { flag, newFlag } from "./pages/flag.js";
import { flags } from "./pages/flags.js";
import { player } from "./pages/player.js";
import { pool } from "./pages/pool.js";

const PAGES = [
  { name: "pool", text: "Pool", list: pool, one: pool },
  { name: "flags", text: "Flags", list: flags, make: newFlag, one: flag },
  { name: "campaigns", text: "Campaigns", list: campaigns, make: newCampaign, one: campaign },
  { name: "experiments", text: "Experiments", list: experiments, make: declare, one: experiment },
  { name: "player", text: "Player", list: player, one: player },
];

const main = document.getElementById("main");
let current = { hash: null, abort: new AbortController() };

/** `#/flags/price`: a page and, perhaps, what it is about. `#/flags?new` makes one. */
function route(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/");
  let what;
  try {
    what = rest.length > 0 ? decodeURIComponent(rest.join("/")) : undefined;
  } catch { /* A broken address is an unknown page. */ }
  const found = PAGES.find((p) => p.name === (name || PAGES[0].name));
  if (!found) return { show: missing };
  const show = query === "new" && found.make ? found.make : what ? found.one : found.list;
  return { found, show, what };
}

async function missing() {
  return page("Nothing here", {}, h("p", {}, "This address belongs to no page. ", h("a", { href: "#/" }, "To the first page")));
}

/** `focus`: "first", "move" to another page, or "stay" on this one. */
async function show(focus) {
  const { found, show: make, what } = route(location.hash);
  current.abort.abort();
  const abort = new AbortController();
  current = { hash: location.hash, abort };
  for (const a of document.querySelectorAll("#nav a")) {
    if (a.dataset.page === found?.name) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  const slow = setTimeout(() => {
    if (!abort.signal.aborted && focus !== "stay") fill(main, h("p", { class: "muted loading", role: "status" }, "Loading…"));
  }, 150);
  let content;
  try {
    content = await make({ what, signal: abort.signal, again, go });
  } catch (problem) {
    if (problem.name === "AbortError") return;
    if (!(problem instanceof Problem)) console.error(problem);
    content = page("That did not work", {}, failed(problem, () => show("move")));
  } finally {
    clearTimeout(slow);
  }
  if (abort.signal.aborted) return;
  const was = main.contains(document.activeElement) || document.activeElement === document.body;
  fill(main, content);
  // Which address this is, for whoever waits for a page.
  main.dataset.at = current.hash ?? "";
  const heading = main.querySelector("h1");
  document.title = `${heading?.textContent ?? "Castline"} – Castline console`;
  if (focus === "move") scrollTo(0, 0);
  // Whoever was on the page that is gone must not begin at the top of the document again.
  if (focus === "move" || (focus === "stay" && was && !document.querySelector("dialog[open]"))) heading?.focus({ preventScroll: true });
}

/** The same page with what is now; edits on it are not lost unasked. */
async function again() {
  if (unsaved() && !(await confirm("Discard the other edits?", "This page has edits that are not saved. To show what is now it must be read anew.", "Discard"))) return;
  await show("stay");
}

/** To another page; the one that is left has nothing to lose. */
function go(hash) {
  current.hash = null;
  if (location.hash === hash) show("move");
  else location.hash = hash;
}

addEventListener("hashchange", async () => {
  if (location.hash === "#main" || location.hash === current.hash) {
    if (location.hash === "#main") history.replaceState(null, "", current.hash);
    return;
  }
  if (current.hash !== null && unsaved()) {
    const wanted = location.hash;
    history.replaceState(null, "", current.hash);
    if (!(await confirm("Leave without saving?", "This page has edits that are not saved.", "Leave"))) return;
    go(wanted);
    return;
  }
  await show("move");
});

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});

function frame() {
  fill(document.getElementById("nav"), PAGES.map(({ name, text }) =>
    h("a", { href: `#/${name}`, "data-page": name }, icon(name), h("span", {}, text))));
  who();
}

function who() {
  fill(document.getElementById("who"), hasKey() && [
    actor() && h("span", { class: "actor", title: "Changes are signed with this name" }, actor()),
    button("Lock", () => {
      forgetKey();
      location.reload();
    }, "small", { title: "Forget the admin key" }),
  ]);
}

function whyNot(problem) {
  if (problem.status === 429) {
    const wait = problem.retryAfter ? ` Try again in ${duration(problem.retryAfter)}.` : "";
    return `This address is locked: too many wrong admin keys came from it.${wait} The right key is not taken either until then.`;
  }
  if (problem.status === 401) return "This is not the admin key. Ten wrong ones a minute lock this address.";
  return problem.message;
}

/** The door. One form for all requests that wait for a key. */
let asking = null;
onKeyNeeded((problem) => {
  asking ??= askForKey(problem).finally(() => { asking = null; });
  return asking;
});

function askForKey(problem) {
  return dialog("Castline console", (close) => {
    const why = h("p", { class: "field-error", id: "key-error", role: "alert" });
    if (problem) why.textContent = "The admin key is not taken any more. What you were doing is still here.";
    const key = h("input", { id: "key", type: "password", autocomplete: "off", required: true, autofocus: true, spellcheck: "false", "aria-describedby": "key-error" });
    const name = h("input", { id: "name", type: "text", maxlength: 64, autocomplete: "off", value: actor(), "aria-describedby": "name-hint" });
    const remember = h("input", { id: "remember", type: "checkbox", checked: true });
    const open = h("button", { type: "submit", class: "primary" }, "Open");
    const submit = async (event) => {
      event.preventDefault();
      why.textContent = "";
      const signed = name.value.trim();
      if (/[^\x20-\x7e]/.test(key.value) || key.value.trim() === "") {
        why.textContent = "This is not the admin key: it has other characters.";
      } else if (/[^\x20-\x7e]/.test(signed)) {
        why.textContent = "The name must be of plain ASCII letters.";
      } else {
        open.setAttribute("aria-busy", "true");
        try {
          await tryKey(key.value.trim());
          keepKey(key.value.trim(), signed, remember.checked);
          who();
          close();
          return;
        } catch (wrong) {
          why.textContent = whyNot(wrong);
        }
        open.removeAttribute("aria-busy");
      }
      key.focus();
      key.select();
    };
    return h("form", { class: "door", on: { submit }, novalidate: true },
      h("p", { class: "muted" }, "The admin key opens it. It stays in this tab and is sent to this server alone."),
      h("div", { class: "field" }, h("label", { for: "key" }, "Admin key"), key, why),
      h("div", { class: "field" }, h("label", { for: "name" }, "Your name"), name,
        h("p", { class: "field-hint", id: "name-hint" }, "Signs your changes in the history. May stay empty.")),
      h("div", { class: "field check" }, remember, h("label", { for: "remember" }, "Keep until this tab is closed")),
      h("div", { class: "dialog-actions" }, open));
  }, { locked: true, kind: "door-dialog" });
}

frame();
show("first");

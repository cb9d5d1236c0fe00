// One flag: edited, rolled out, rolled back.
import { del, get, post, put, step } from "../api.js";
import { append, h } from "../dom.js";
import { Entry, Form, checkedOf, control, jsonOf, linesOf, momentOf, rows, valueOf } from "../form.js";
import { basisPoints, count, json, time } from "../format.js";
import { badge, button, card, confirm, meter, page, part, run, say } from "../parts.js";
import { states } from "./flags.js";

const EXAMPLE = [{ when: { "trait.country": ["DE", "AT"], build: { range: ">=2.0, <3" } }, variant: "treatment" }];
const BLANK = { variants: { control: false, treatment: true }, defaultVariant: "control", rolloutBp: 0, enabled: true, private: false };

export async function newFlag({ signal, go }) {
  const list = await get("flags", signal);
  const { element } = editor(null, BLANK, list, { go });
  return page("New flag", { back: { href: "#/flags", text: "Flags" }, lead: "Until its rollout grows, everybody gets the default." }, element);
}

export async function flag({ what, signal, again, go }) {
  const [found, list] = await Promise.all([get(`flags/${step(what)}`, signal), get("flags", signal)]);
  const remove = button("Delete…", (event) => run(event, async () => {
    if (!(await confirm(`Delete ${what}?`, "Games that ask for it get their built-in default from then on. Its history stays; it can be rolled back from there.", "Delete flag"))) return;
    await del(`flags/${step(what)}`);
    say(`${what} is deleted.`);
    go("#/flags");
  }), "danger-quiet");
  const { element } = editor(what, found, list, { go, again });
  return page(what, { back: { href: "#/flags", text: "Flags" }, actions: [states(found), remove] },
    found.malformed && h("div", { class: "note bad" }, h("p", {}, `Players do not see this flag: ${found.malformed}`)),
    element, history(what, signal, again));
}

/** The form for a flag; `name` is null for a new one. */
function editor(name, flag, list, { go, again }) {
  const form = new Form({ label: name ?? "New flag", isNew: name === null, saveText: name === null ? "Create flag" : "Save", save });
  form.onDiscard = () => (name === null ? go("#/flags") : again());
  const nameField = name === null && form.text("name", "Name", "", { hint: "As the game asks for it. It cannot be changed later.", mono: true });
  const enabled = form.check("enabled", "Enabled", flag.enabled ?? true, { hint: "Off: everybody gets the default, testers excepted." });
  const hidden = form.check("private", "Private", flag.private ?? false, { hint: "Only requests with a player's token see it." });

  const chosen = flag.defaultVariant ?? "control";
  const variants = rows("variant", Object.entries(flag.variants ?? BLANK.variants), (entry) => [
    h("input", { type: "text", class: "mono variant-name", value: entry?.[0] ?? "", "aria-label": "Name of the variant", placeholder: "name", spellcheck: "false" }),
    h("input", { type: "text", class: "mono variant-value", value: entry ? JSON.stringify(entry[1]) : "", "aria-label": "Value, as JSON", placeholder: "\"text\", 4.99, true", spellcheck: "false" }),
    h("label", { class: "radio" }, h("input", { type: "radio", name: "default", checked: entry?.[0] === chosen }), "default"),
    h("label", { class: "weight" }, h("span", { class: "unseen" }, "Share among the enrolled, per cent"),
      h("input", { type: "number", min: 0, max: 100, step: 0.01, value: entry && flag.weights ? (flag.weights[entry[0]] ?? 0) / 100 : "" }), "%"),
  ], { most: 32 });
  const custom = h("input", { type: "checkbox", id: "custom", checked: Boolean(flag.weights) });
  const weigh = () => variants.element.classList.toggle("weighed", custom.checked);
  custom.addEventListener("change", weigh);
  weigh();

  const slider = h("input", { type: "range", min: 0, max: 10_000, step: 1, value: flag.rolloutBp ?? 0, "aria-label": "Rollout" });
  const exact = h("input", { type: "number", min: 0, max: 100, step: 0.01, value: (flag.rolloutBp ?? 0) / 100, "aria-label": "Rollout, per cent" });
  const words = h("p", { class: "rollout-words", "aria-live": "polite" });
  const tell = () => {
    const bp = Number(slider.value);
    slider.setAttribute("aria-valuetext", basisPoints(bp));
    words.textContent = bp === 0 ? "Nobody is enrolled." : bp === 10_000 ? "Everybody is enrolled." : `About ${count(bp)} of 10,000 players are enrolled. Those who are stay so when it grows.`;
  };
  slider.addEventListener("input", () => { exact.value = Number(slider.value) / 100; tell(); });
  exact.addEventListener("input", () => { slider.value = Math.round(Number(exact.value) * 100); tell(); });
  tell();
  const quick = [0, 100, 1_000, 5_000, 10_000].map((bp) => button(basisPoints(bp), () => {
    slider.value = bp;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  }, "small"));

  const rules = form.area("rules", "Rules, as JSON", flag.rules?.length ? json(flag.rules) : "", {
    rows: 6, placeholder: json(EXAMPLE), hint: "Looked at in their order, before the rollout; the first that fits decides. Subjects: player, build, attr.<name> (the game's claim), trait.<name> (known to the server), segment.",
  });
  const from = form.moment("schedule.from", "In force from", flag.schedule?.from);
  const until = form.moment("schedule.until", "until", flag.schedule?.until);
  const testers = rows("tester", Object.entries(flag.overrides ?? {}), (entry) => [
    h("input", { type: "text", class: "mono", value: entry?.[0] ?? "", "aria-label": "Player", placeholder: "player", spellcheck: "false" }),
    h("input", { type: "text", class: "mono", value: entry?.[1] ?? "", "aria-label": "Variant", placeholder: "variant", spellcheck: "false" }),
  ]);
  const build = form.text("build", "Build", flag.build, { hint: "One build to the letter (2.0.0) or a range (>=2.0, <3). Empty: all.", mono: true });
  const salt = form.text("salt", "Salt", flag.salt, { hint: "Goes into the draw instead of the name. Another salt draws anew.", mono: true });
  const others = list.flags.map((other) => other.name).filter((other) => other !== name);
  const above = form.select("prerequisite.flag", "Builds on the flag", flag.prerequisite?.flag ?? "", [["", "none"], ...others.map((other) => [other, other])]);
  const above2 = form.text("prerequisite.variants", "…with one of these variants", flag.prerequisite?.variants?.join(", "), { mono: true });
  const more = h("details", { class: "more", open: Boolean(flag.build || flag.salt || flag.prerequisite) }, h("summary", {}, "Builds, salt, prerequisite"), h("div", { class: "grid" }, build, salt, above, above2));

  function collect() {
    const body = { variants: Object.create(null), defaultVariant: "", rolloutBp: Math.round(Number(exact.value) * 100), enabled: checkedOf(enabled), private: checkedOf(hidden) };
    if (exact.value === "" || exact.validity.badInput || !(body.rolloutBp >= 0 && body.rolloutBp <= 10_000)) throw new Entry("rolloutBp", "This must be a number from 0 to 100.");
    const weights = Object.create(null);
    for (const row of variants.rows()) {
      const [variant, value, chosenRow, weight] = [...row.querySelectorAll("input")];
      const key = variant.value.trim();
      if (Object.hasOwn(body.variants, key)) throw new Entry("variants", `There are two variants ${JSON.stringify(key)}.`);
      try {
        body.variants[key] = JSON.parse(value.value);
      } catch {
        throw new Entry("variants", `The value of ${JSON.stringify(key)} is not JSON. A text needs quotes: ${JSON.stringify(value.value)}`);
      }
      const inexact = Number.isInteger(body.variants[key]) && !Number.isSafeInteger(body.variants[key]);
      if (inexact) throw new Entry("variants", `The value of ${JSON.stringify(key)} is a greater number than games in JavaScript can hold. Make it a text.`);
      if (chosenRow.checked) body.defaultVariant = key;
      weights[key] = Math.round(Number(weight.value) * 100);
    }
    if (!body.defaultVariant) throw new Entry("variants", "One variant must be the default.");
    if (custom.checked) body.weights = Object.fromEntries(Object.entries(weights).filter(([, bp]) => bp > 0));
    const ruled = jsonOf(rules, "rules");
    if (ruled !== undefined) body.rules = ruled;
    if (valueOf(build)) body.build = valueOf(build);
    if (valueOf(salt)) body.salt = valueOf(salt);
    const [start, end] = [momentOf(from), momentOf(until)];
    if (start !== undefined || end !== undefined) body.schedule = { from: start, until: end };
    const overrides = testers.rows().map((row) => [...row.querySelectorAll("input")].map((input) => input.value.trim())).filter(([player]) => player);
    if (overrides.length > 0) body.overrides = Object.fromEntries(overrides);
    if (valueOf(above)) body.prerequisite = { flag: valueOf(above), variants: linesOf(above2) };
    return body;
  }

  async function save() {
    const target = name ?? control(nameField).value.trim();
    if (!target) throw new Entry("name", "A flag needs a name.");
    const body = collect();
    if (!(await unchangedBehindUs(target, name === null ? null : flag))) return;
    const { version } = await put(`flags/${step(target)}`, body);
    form.settle();
    say(`${target} is saved: configuration ${version}.`);
    if (name === null) go(`#/flags/${encodeURIComponent(target)}`);
    else again();
  }

  const element = form.build(
    h("div", { class: "columns" },
      card("Values", { id: "values" }, nameField,
        form.group("variants", "Variants", [h("div", { class: "rows-head" }, h("span", {}, "Name"), h("span", {}, "Value (JSON)")), variants.element], { hint: "What the game gets. A text needs quotes." }),
        alias(form, "variants", "defaultVariant"),
        h("div", { class: "pair" }, enabled, hidden)),
      card("Rollout", { id: "rollout" },
        form.group("rolloutBp", "Who is enrolled", [h("div", { class: "slider" }, slider, h("span", { class: "unit" }, exact, "%")), words, h("div", { class: "quick" }, quick)]),
        form.group("weights", "Shares among the enrolled", h("div", { class: "field check" }, custom, h("label", { for: "custom" }, "Set each variant's share")),
          { hint: "Otherwise the default has none and the others share equally. Shares stand beside the variants." }),
        form.group("schedule", "Schedule", h("div", { class: "grid" }, from, until), { hint: "Your local time. Outside it the flag is as if disabled." }))),
    card("Targeting", { id: "targeting" }, rules,
      form.group("overrides", "Testers", testers.element, { hint: "These players get their variant whatever else is said, also when the flag is off." }), more),
    name !== null && flag.bytes !== undefined && meter("This flag's share of the longest answer", flag.bytes, list.limitBytes,
      `${count(flag.bytes)} of ${count(list.limitBytes)} bytes; all flags together ${count(list.worstCaseBytes)}`));
  return { element };
}

/** Errors of another member are shown at this field too. */
function alias(form, path, other) {
  form.fields.set(other, form.fields.get(path));
}

/** Whether nobody else has saved the flag since it was read; else the operator decides. */
async function unchangedBehindUs(name, before) {
  const now = (await get("flags")).flags.find((flag) => flag.name === name) ?? null;
  if (before === null) {
    if (now === null) return true;
    throw new Entry("name", `There is a flag ${JSON.stringify(name)} already.`);
  }
  if (now !== null && now.updatedAt === before.updatedAt) return true;
  const { changes } = await get(`flags/${step(name)}/history?limit=1`);
  const who = changes[0] ? `${changes[0].who} (${changes[0].action}, ${changes[0].version})` : "Somebody";
  const yes = await confirm("Changed meanwhile", [h("p", {}, `${who} changed this flag after you opened it.`),
    differences(before, now), h("p", {}, "Saving now replaces that change by what stands here.")], "Save nevertheless");
  if (yes) before.updatedAt = now?.updatedAt;
  return yes;
}

const SHOWN = ["variants", "defaultVariant", "rolloutBp", "weights", "salt", "build", "rules", "enabled", "private", "schedule", "overrides", "prerequisite"];

/** What is different, member by member. */
function differences(before, after) {
  const changed = SHOWN.filter((key) => JSON.stringify(before?.[key]) !== JSON.stringify(after?.[key]));
  if (changed.length === 0) return h("p", { class: "muted" }, "The same as before.");
  const text = (flag, key) => (flag?.[key] === undefined ? "–" : key === "rolloutBp" ? basisPoints(flag[key]) : json(flag[key]));
  return h("table", { class: "diff" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Member"), h("th", { scope: "col" }, "Before"), h("th", { scope: "col" }, "After"))),
    h("tbody", {}, changed.map((key) => h("tr", {}, h("th", { scope: "row" }, key),
      h("td", {}, h("pre", { class: "was" }, text(before, key))), h("td", {}, h("pre", { class: "is" }, text(after, key)))))));
}

const ACTIONS = { "put flag": "Saved", "delete flag": "Deleted", "roll back flag": "Rolled back", promote: "Promoted", drop: "Dropped" };

function history(name, signal, again) {
  const box = h("ol", { class: "history" });
  const more = button("Earlier changes", (event) => run(event, load), "small");
  let before = "";
  let first = true;
  async function load() {
    const answer = await get(`flags/${step(name)}/history?limit=20${before ? `&before=${before}` : ""}`, signal);
    append(box, answer.changes.map((change) => {
      const latest = first;
      first = false;
      return line(change, latest);
    }));
    before = answer.changes.at(-1)?.version ?? before;
    more.hidden = !answer.more;
    if (box.children.length === 0) append(box, [h("li", { class: "muted" }, "No change is recorded.")]);
  }
  const line = (change, latest) => h("li", {},
    h("div", { class: "history-line" },
      badge(change.version), h("strong", {}, ACTIONS[change.action] ?? change.action),
      h("span", { class: "muted" }, "by ", change.who, change.address && ` (${change.address})`), time(change.at),
      h("span", { class: "spring" }),
      latest ? badge("In force", "good") : change.after !== null && button(`Roll back to ${change.version}`, (event) => run(event, () => rollback(change)), "small")),
    h("details", {}, h("summary", {}, "What changed"), differences(change.before, change.after)));
  async function rollback(change) {
    const now = (await get("flags")).flags.find((flag) => flag.name === name);
    const yes = await confirm(`Roll back to ${change.version}?`, [h("p", {}, `${name} becomes again what it was then. Every game hears of it at once.`), differences(now, change.after)], "Roll back");
    if (!yes) return;
    const { version } = await post(`flags/${step(name)}/rollback`, { to: change.version });
    say(`${name} is what it was in ${change.version}: configuration ${version}.`);
    again();
  }
  return card("History", { id: "history" }, part(async () => {
    await load();
    return [box, more];
  }));
}

// One player: what is known of him, whether he is there, what he got, and what each flag says to him and why.
import { Problem, del, get, put, step } from "../api.js";
import { h } from "../dom.js";
import { Entry, Form, momentOf, rows, valueOf } from "../form.js";
import { count, time } from "../format.js";
import { badge, button, card, confirm, dialog, facts, link, page, part, run, say, table } from "../parts.js";

const REASONS = {
  OVERRIDE: "tester", DISABLED: "the flag is off, or not in its schedule", TARGETING_MATCH: "a rule fits", SPLIT: "enrolled by the rollout", DEFAULT: "not enrolled",
};
const STATES = { queued: "warn", sent: "info", received: "info", closed: "plain", lapsed: "plain" };

export async function player({ what, signal, go, again }) {
  const input = h("input", { id: "player", type: "search", value: what ?? "", autocomplete: "off", spellcheck: "false", class: "mono" });
  const ask = h("form", {
    class: "tools", role: "search",
    on: { submit: (event) => {
      event.preventDefault();
      if (input.value.trim()) go(`#/player/${encodeURIComponent(input.value.trim())}`);
    } },
  }, h("label", { for: "player" }, "Player"), input, h("button", { type: "submit", class: "primary" }, "Look up"));
  if (what === undefined) {
    return page("Player", { lead: "What is known of a player, what he got, and what each flag says to him." }, ask, card("Banned players", { id: "bans" }, part(() => banned(signal))));
  }
  let found;
  try {
    found = await get(`players/${step(what)}`, signal);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    return page("Player", {}, ask, h("div", { class: "note bad", role: "alert" }, h("p", {}, problem.message)));
  }
  const live = found.sessions.some((session) => session.live);
  return page(what, { back: { href: "#/player", text: "Player" }, actions: [live ? badge("Online", "good") : badge("Offline"), banning(what, found.ban, again)] }, ask,
    found.ban && h("div", { class: "note bad" }, h("p", {}, h("strong", {}, "Banned "), found.ban.until === null ? "for good" : ["until ", time(found.ban.until)], `: ${found.ban.reason}`,
      h("span", { class: "muted" }, ` by ${found.ban.who}, `, time(found.ban.bannedAt)))),
    found.firstSeen === null && h("div", { class: "note info" }, h("p", {}, "This player was never seen. Flags have an answer for everybody, so theirs is shown.")),
    h("div", { class: "columns" }, about(what, found, again), sessions(found)), offers(found), flags(found),
    card("Changes to this player", { id: "audit" }, part(() => audit(what, signal))));
}

async function banned(signal) {
  const { bans, more } = await get("bans", signal);
  return [table("Banned players", [
    { head: "Player", cell: (ban) => link(ban.player, `#/player/${encodeURIComponent(ban.player)}`, "name") },
    { head: "Why", cell: (ban) => ban.reason },
    { head: "Until", cell: (ban) => (ban.until === null ? "for good" : time(ban.until)) },
    { head: "By", cell: (ban) => ban.who || "–" },
    { head: "Since", cell: (ban) => time(ban.bannedAt) },
  ], bans, { empty: h("p", { class: "muted" }, "Nobody is banned.") }), more && h("p", { class: "muted" }, "There are more.")];
}

/** The button that bans, or lets in again. */
function banning(name, ban, again) {
  if (ban) {
    return button("Let in again…", (event) => run(event, async () => {
      if (!(await confirm(`Let ${name} in again?`, "The ban ends at once.", "Let in", "primary"))) return;
      await del(`bans/${step(name)}`);
      say(`${name} may play again.`);
      again();
    }));
  }
  return button("Ban…", (event) => run(event, async () => {
    const done = await dialog(`Ban ${name}`, (close) => {
      const form = new Form({ label: "Ban", isNew: true, saveText: "Ban", save });
      form.onDiscard = () => close(false);
      const reason = form.text("reason", "Reason", "", { hint: "For operators; players never see it." });
      const until = form.moment("until", "Until", undefined, { hint: "Your local time. Empty: for good." });
      async function save() {
        if (!valueOf(reason)) throw new Entry("reason", "A ban needs a reason.");
        await put(`bans/${step(name)}`, { reason: valueOf(reason), until: momentOf(until) });
        form.settle();
        close(true);
      }
      return [h("p", {}, "His sockets are closed at once, and every request of his is refused."), form.build(reason, until)];
    });
    if (!done) return;
    say(`${name} is banned.`);
    again();
  }), "danger-quiet");
}

function about(name, found, again) {
  const form = new Form({ label: "Traits", saveText: "Save traits", save });
  form.element.classList.add("plain");
  form.onDiscard = again;
  const traits = rows("trait", Object.entries(found.traits), (entry) => [
    h("input", { type: "text", class: "mono", value: entry?.[0] ?? "", "aria-label": "Trait", placeholder: "country", spellcheck: "false" }),
    h("input", { type: "text", class: "mono", value: entry?.[1] ?? "", "aria-label": "Value", placeholder: "DE", spellcheck: "false" }),
  ], { most: 16 });
  async function save() {
    const body = Object.create(null);
    for (const row of traits.rows()) {
      const [key, value] = [...row.querySelectorAll("input")].map((input) => input.value.trim());
      if (!key && !value) continue;
      if (Object.hasOwn(body, key)) throw new Entry("traits", `There are two traits ${JSON.stringify(key)}.`);
      body[key] = value;
    }
    await put(`players/${step(name)}/traits`, body);
    form.settle();
    say(`The traits of ${name} are saved.`);
    again();
  }
  return card("Known", { id: "known" },
    facts([["First seen", found.firstSeen === null ? "never" : time(found.firstSeen)],
      ["Segments", found.segments.length > 0 ? h("span", { class: "badges" }, found.segments.map((s) => badge(s))) : "none"]]),
    form.build(form.group("traits", "Traits", traits.element, { hint: "Stated by you or the game’s backend; rules on money ask for these." })));
}

const sessions = (found) => card("Sessions", { id: "sessions" }, table("Sessions", [
  { head: "Device", cell: (s) => h("span", { class: "mono" }, s.device) },
  { head: "State", cell: (s) => (s.live ? badge("Online", "good") : ["Away since ", time(s.detachedAt)]) },
  { head: "Build", cell: (s) => s.build || "–" },
  { head: "Waiting", kind: "num", cell: (s) => count(s.unacknowledged) },
], found.sessions, { empty: h("p", { class: "muted" }, "No session is kept.") }));

const offers = (found) => card("Offers", { id: "offers" }, table("Offers", [
  { head: "Offer", cell: (o) => [link(o.campaign, `#/campaigns/${encodeURIComponent(o.campaign)}`, "name"), o.offerId !== o.campaign && h("span", { class: "muted mono small-text" }, ` ${o.offerId}`)] },
  { head: "State", cell: (o) => badge(o.outcome ?? o.state, o.outcome === "accepted" ? "good" : STATES[o.state]) },
  { head: "Variant", cell: (o) => o.variant ?? "–" },
  { head: "Sent", cell: (o) => time(o.sentAt) },
  { head: "Shown", cell: (o) => time(o.shownAt) },
  { head: "Expires", cell: (o) => time(o.expiresAt) },
], found.offers, { empty: h("p", { class: "muted" }, "None yet.") }), found.moreOffers && h("p", { class: "muted" }, "Older ones are not listed."));

const flags = (found) => card("Flags", { id: "flags" },
  h("p", { class: "muted" }, `As this player gets them with a token, without attributes, in ${found.build ? `build ${found.build}` : "no known build"}; configuration ${found.flagsVersion}.`),
  table("Flags", [
    { head: "Flag", cell: ([name]) => link(name, `#/flags/${encodeURIComponent(name)}`, "name") },
    { head: "Variant", cell: ([, flag]) => badge(flag.variant) },
    { head: "Value", cell: ([, flag]) => h("code", { class: "wrap" }, JSON.stringify(flag.value)) },
    { head: "Why", cell: ([, flag]) => [h("code", {}, flag.reason), " ", h("span", { class: "muted" }, REASONS[flag.reason] ?? "")] },
  ], Object.entries(found.flags), { empty: h("p", { class: "muted" }, "No flag shows to this player.") }));

async function audit(name, signal) {
  const answer = await get(`audit?subject=${step(name)}`, signal);
  return table("Changes", [
    { head: "What", cell: (line) => line.action },
    { head: "By", cell: (line) => [line.who || "–", line.address && h("span", { class: "muted" }, ` ${line.address}`)] },
    { head: "After", cell: (line) => h("code", { class: "wrap" }, line.after === null ? "–" : JSON.stringify(line.after)) },
    { head: "When", cell: (line) => time(line.at) },
  ], answer.lines, { empty: h("p", { class: "muted" }, "None is recorded.") });
}

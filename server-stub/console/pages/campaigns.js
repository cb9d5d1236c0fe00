// All campaigns with their funnels, and the segments that they choose players by.
import { get } from "../api.js";
import { h } from "../dom.js";
import { count, percent, time } from "../format.js";
import { badge, card, link, nothing, page, table } from "../parts.js";
import { segments } from "./segments.js";

export function state({ definition }, now = Date.now()) {
  if (!definition.enabled) return badge("Off");
  if (definition.startsAt > now) return badge("Not yet", "warn");
  if (definition.endsAt <= now) return badge("Over", "warn");
  return badge("Running", "good");
}

const share = (part, whole) => (whole > 0 ? percent(part / whole, 1) : "–");

/** Delivered → shown → accepted, as bars of one scale. */
export function funnel(numbers) {
  const steps = [["Delivered", numbers.delivered], ["Shown", numbers.shown], ["Accepted", numbers.accepted]];
  const most = Math.max(1, numbers.delivered);
  return h("ol", { class: "funnel" }, steps.map(([name, n], place) => h("li", {},
    h("span", { class: "funnel-name" }, name),
    h("span", { class: "funnel-track", "aria-hidden": "true" }, h("span", { class: "funnel-fill", style: { width: `${(Math.min(n, most) / most) * 100}%` } })),
    h("span", { class: "funnel-number" }, count(n), place > 0 && h("span", { class: "muted" }, ` ${share(n, numbers.delivered)}`)))));
}

const budget = ({ spent, definition: { budget: { total, perDay } } }) => [
  total === undefined && perDay === undefined && count(spent.total),
  total !== undefined && `${count(spent.total)} of ${count(total)}`,
  perDay !== undefined && h("span", { class: "muted" }, ` today ${count(spent.today)} of ${count(perDay)}`),
];

export async function campaigns({ signal, again }) {
  const [{ campaigns: all }, groups] = await Promise.all([get("campaigns", signal), get("segments", signal)]);
  return page("Campaigns", { actions: [link("New campaign", "#/campaigns?new", "button primary")], lead: "The better stands above: at a break, the first that fits is sent first. Numbers are copies delivered → shown → accepted." },
    all.length === 0
      ? nothing("No campaigns yet", "A campaign gives each player that it fits an offer, at a moment when the game can show it.", link("Make the first one", "#/campaigns?new", "button"))
      : table("Campaigns", [
        { head: "Campaign", cell: (c) => [link(c.definition.title, `#/campaigns/${encodeURIComponent(c.id)}`, "name"), h("div", { class: "muted mono small-text" }, c.id)] },
        { head: "State", cell: (c) => state(c) },
        { head: "Priority", kind: "num", cell: (c) => count(c.definition.priority) },
        { head: "Given", kind: "num", cell: budget },
        { head: "Funnel", cell: (c) => h("div", { class: "funnel-line" }, h("span", { title: "Delivered → shown → accepted" }, `${count(c.funnel.delivered)} → ${count(c.funnel.shown)} → ${count(c.funnel.accepted)}`), c.funnel.delivered > 0 && h("span", { class: "muted" }, ` ${share(c.funnel.accepted, c.funnel.delivered)}`)) },
        { head: "Changed", cell: (c) => time(c.updatedAt) },
      ], all),
    card("Segments", { id: "segments" }, segments(groups.segments, again)));
}

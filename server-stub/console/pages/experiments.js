// All experiments, and the declaration of one.
import { get, put, step } from "../api.js";
import { h } from "../dom.js";
import { Entry, Form, valueOf } from "../form.js";
import { count, time } from "../format.js";
import { badge, card, link, nothing, page, say, table } from "../parts.js";

export const measured = ({ metric }) => (metric.kind === "conversion" ? `share of players with “${metric.event}”` : `sum of “${metric.prop}” of “${metric.event}” per player`);

export function outcome({ endedAt, promoted, latest }) {
  if (endedAt !== null && endedAt !== undefined) return promoted ? badge(`Promoted ${promoted}`, "good") : badge("Dropped");
  const says = { promote: badge("Says promote", "good"), drop: badge("Says drop", "bad") }[latest?.decision];
  return h("span", { class: "badges" }, badge("Running", "info"), says);
}

export async function experiments({ signal }) {
  const { experiments: all, more } = await get("experiments", signal);
  return page("Experiments", { actions: [link("Declare one", "#/experiments?new", "button primary")], lead: "Looking every day costs nothing: the intervals hold at all looks together." },
    all.length === 0
      ? nothing("No experiments yet", "An experiment compares the variants of a flag by one metric that is named beforehand.", link("Declare the first one", "#/experiments?new", "button"))
      : table("Experiments", [
        { head: "Experiment", cell: (e) => link(e.name, `#/experiments/${encodeURIComponent(e.name)}`, "name") },
        { head: "State", cell: (e) => outcome(e) },
        { head: "Flag", cell: (e) => (e.definition ? link(e.definition.flag, `#/flags/${encodeURIComponent(e.definition.flag)}`) : "–") },
        { head: "Measures", cell: (e) => (e.definition ? measured(e.definition) : "–") },
        { head: "Players", kind: "num", cell: (e) => (e.latest ? count(e.latest.players) : "–") },
        { head: "Since", cell: (e) => time(e.startedAt) },
      ], all),
    more && h("p", { class: "muted" }, "Older ones are not listed."));
}

export async function declare({ signal, go }) {
  const list = await get("flags", signal);
  const form = new Form({ label: "Experiment", isNew: true, saveText: "Declare and start", save });
  form.onDiscard = () => go("#/experiments");
  const flags = list.flags.filter((flag) => !flag.malformed);
  const name = form.text("name", "Name", "", { mono: true });
  const flag = form.select("flag", "Flag", "", [["", "choose"], ...flags.map((f) => [f.name, f.name])], { hint: "Enabled, without rules, prerequisite or schedule; rollout and weights give players to the default and to another variant." });
  const kind = form.select("metric.kind", "What is compared", "conversion", [["conversion", "How many players do something"], ["mean", "How much of something a player brings"]]);
  const event = form.text("metric.event", "Event", "", { mono: true, placeholder: "purchase" });
  const prop = form.text("metric.prop", "Member that is added up", "", { mono: true, placeholder: "amount", hint: "A number in the event's props." });
  const direction = form.select("direction", "What is good", "higher", [["higher", "More"], ["lower", "Less"]]);
  const segmentEvent = form.text("segmentBy.event", "Segments by the event", "", { mono: true, hint: "Empty: no segments." });
  const segmentProp = form.text("segmentBy.prop", "…and its member", "", { mono: true });
  form.fields.set("metric", form.fields.get("metric.kind"));
  const choose = () => { prop.hidden = valueOf(kind) !== "mean"; };
  kind.addEventListener("change", choose);
  choose();
  async function save() {
    const target = valueOf(name);
    if (!target) throw new Entry("name", "An experiment needs a name.");
    if (!valueOf(flag)) throw new Entry("flag", "Choose the flag whose variants are compared.");
    const body = { flag: valueOf(flag), metric: { kind: valueOf(kind), event: valueOf(event) }, direction: valueOf(direction) };
    if (body.metric.kind === "mean") body.metric.prop = valueOf(prop);
    if (valueOf(segmentEvent)) body.segmentBy = { event: valueOf(segmentEvent), prop: valueOf(segmentProp) };
    const { started } = await put(`experiments/${step(target)}`, body);
    form.settle();
    say(started ? `${target} has started.` : `${target} was running already and goes on.`);
    go(`#/experiments/${encodeURIComponent(target)}`);
  }
  return page("Declare an experiment", { back: { href: "#/experiments", text: "Experiments" }, lead: "It starts with the declaration; what happened before does not count. A declaration with the name of another one starts that anew." },
    form.build(card("What", { id: "what" }, h("div", { class: "grid" }, name, flag)),
      card("The one metric", { id: "metric" }, h("div", { class: "grid" }, kind, event, prop, direction)),
      card("Segments", { id: "parts" }, h("div", { class: "grid" }, segmentEvent, segmentProp))));
}

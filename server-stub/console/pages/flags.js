// All flags, and how much of the 2 KB that every player may have to download they use.
import { get } from "../api.js";
import { h } from "../dom.js";
import { basisPoints, count, time } from "../format.js";
import { badge, link, meter, nothing, page, table } from "../parts.js";

export function states(flag, now = Date.now()) {
  const { schedule } = flag;
  const list = [];
  if (flag.malformed) list.push(badge("Malformed", "bad"));
  else if (!flag.enabled) list.push(badge("Off"));
  else if (schedule?.from > now) list.push(badge("Not yet", "warn"));
  else if (schedule?.until <= now) list.push(badge("Over", "warn"));
  else list.push(badge("On", "good"));
  if (flag.private) list.push(badge("Private"));
  if (flag.rules?.length) list.push(badge(`${flag.rules.length} ${flag.rules.length === 1 ? "rule" : "rules"}`));
  if (flag.build) list.push(badge(flag.build));
  const testers = Object.keys(flag.overrides ?? {}).length;
  if (testers) list.push(badge(`${testers} ${testers === 1 ? "tester" : "testers"}`));
  return h("span", { class: "badges" }, list);
}

export async function flags({ signal }) {
  const list = await get("flags", signal);
  const create = link("New flag", "#/flags?new", "button primary");
  const search = h("input", { type: "search", id: "search", placeholder: "Part of a name", autocomplete: "off" });
  const box = h("div", {});
  const show = () => {
    const part = search.value.trim().toLowerCase();
    const found = list.flags.filter((flag) => flag.name.toLowerCase().includes(part));
    box.replaceChildren(table("Flags", [
      { head: "Flag", cell: (flag) => link(flag.name, `#/flags/${encodeURIComponent(flag.name)}`, "name") },
      { head: "State", cell: (flag) => states(flag) },
      { head: "Default", cell: (flag) => h("code", {}, flag.defaultVariant ?? "–") },
      { head: "Rollout", kind: "num", cell: (flag) => (flag.malformed ? "–" : basisPoints(flag.rolloutBp)) },
      { head: "Bytes", kind: "num", cell: (flag) => (flag.bytes === undefined ? "–" : count(flag.bytes)) },
      { head: "Changed", cell: (flag) => time(flag.updatedAt) },
    ], found, { empty: h("p", { class: "muted" }, `No flag has “${search.value}” in its name.`) }));
  };
  search.addEventListener("input", show);
  show();
  return page("Flags", { actions: [create], lead: `Configuration ${list.version}. A change is in force at once; every game hears of it.` },
    meter("The longest answer that a player can get", list.worstCaseBytes, list.limitBytes,
      `${count(list.worstCaseBytes)} of ${count(list.limitBytes)} bytes`),
    list.flags.length === 0
      ? nothing("No flags yet", "A flag gives players one of several values: a price, a text, a feature that is on or off.", link("Make the first one", "#/flags?new", "button"))
      : [h("div", { class: "tools" }, h("label", { for: "search" }, "Find"), search), box]);
}

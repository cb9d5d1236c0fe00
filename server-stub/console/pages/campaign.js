// One campaign: edited, counted, tried out for a player.
import { del, get, post, put, step } from "../api.js";
import { fill, h } from "../dom.js";
import { Entry, Form, checkedOf, jsonOf, linesOf, momentOf, numberOf, valueOf } from "../form.js";
import { count, duration, json, time } from "../format.js";
import { badge, button, card, confirm, facts, failed, link, note, numbers, page, run, say, tick } from "../parts.js";
import { funnel, state } from "./campaigns.js";

const BLANK = { title: "", expiresInSeconds: 3_600, discount: 0, priority: 0, perPlayer: 1, cooldownSeconds: 0, budget: {}, timeZone: "UTC", enabled: true };

export async function newCampaign({ signal, go }) {
  const known = await get("segments", signal);
  return page("New campaign", { back: { href: "#/campaigns", text: "Campaigns" } }, editor(null, BLANK, known, { go }));
}

export async function campaign({ what, signal, again, go }) {
  const [found, known] = await Promise.all([get(`campaigns/${step(what)}`, signal), get("segments", signal)]);
  const off = found.definition.enabled && button("Switch off…", (event) => run(event, async () => {
    if (!(await confirm(`Switch ${what} off?`, "No further copy is sent. What players have stays theirs.", "Switch off"))) return;
    await post(`campaigns/${step(what)}/disable`);
    say(`${what} is off.`);
    again();
  }));
  const remove = button("Delete…", (event) => run(event, async () => {
    if (!(await confirm(`Delete ${what}?`, "What players have stays theirs; the numbers of this campaign are no longer shown.", "Delete campaign"))) return;
    await del(`campaigns/${step(what)}`);
    say(`${what} is deleted.`);
    go("#/campaigns");
  }), "danger-quiet");
  return page(found.definition.title, {
    back: { href: "#/campaigns", text: "Campaigns" }, actions: [state(found), off, remove].filter(Boolean),
    lead: h("span", { class: "mono" }, what),
  },
  h("div", { class: "columns top" }, numbersOf(found), dryRun(what)),
  editor(what, found, known, { go, again }));
}

function numbersOf({ funnel: all, variants = {}, spent, definition, updatedAt }) {
  const left = (limit, used) => (limit === undefined ? "no limit" : `${count(used)} of ${count(limit)}`);
  const split = Object.entries(variants);
  return card("How it goes", { id: "numbers" }, funnel(all),
    facts([["Not confirmed", count(all.unreceived)], ["Declined", count(all.declined)], ["Expired", count(all.expired)],
      ["Budget in all", left(definition.budget.total, spent.total)], ["Budget of today", left(definition.budget.perDay, spent.today)], ["Changed", time(updatedAt)]]),
    split.length > 0 && numbers("By variant", ["Variant", "Delivered", "Shown", "Accepted", "Declined"],
      split.map(([name, f]) => [name, count(f.delivered), count(f.shown), count(f.accepted), count(f.declined)])));
}

/** The rules of a dry run, for people. */
const RULES = {
  enabled: "Switched on", startsAt: "Start", endsAt: "End", hours: "Hours", placements: "Placement", players: "Players", trigger: "Trigger",
  firstSession: "First session", segments: "Segments", notSegments: "Excluded segments", when: "Condition", oneAtATime: "One copy at a time",
  perPlayer: "Copies per player", perPlayerPerDay: "Copies per player and day", cooldownSeconds: "Cooldown", "budget.total": "Budget in all",
  "budget.perDay": "Budget per day", split: "Split",
};

function dryRun(id) {
  const form = new Form({ label: "Dry run", isNew: true, saveText: "Try it", save, keeps: false });
  form.element.classList.add("plain");
  const player = form.text("player", "Player", "", { mono: true });
  const placement = form.text("placement", "Placement", "level_completed", { mono: true });
  const device = form.text("device", "Device", "", { mono: true, hint: "Whose session counts for “first session”." });
  const at = form.moment("at", "At", undefined, { hint: "Empty: now." });
  const context = form.area("context", "Context, as JSON", "", { rows: 2, placeholder: "{\"level\": 12}" });
  const result = h("div", { class: "dry-run", "aria-live": "polite" });
  async function save() {
    fill(result);
    const body = { player: valueOf(player), placement: valueOf(placement) };
    if (valueOf(device)) body.device = valueOf(device);
    if (momentOf(at) !== undefined) body.at = momentOf(at);
    const said = jsonOf(context, "context");
    if (said !== undefined) body.context = said;
    let answer;
    try {
      answer = await post(`campaigns/${step(id)}/dry-run`, body);
    } catch (problem) {
      if (form.find(problem.field)) throw problem;
      fill(result, failed(problem));
      return;
    }
    fill(result, verdict(body.player, answer));
  }
  const element = form.build(h("div", { class: "grid" }, player, placement),
    h("details", { class: "more" }, h("summary", {}, "Device, time, context"), h("div", { class: "grid" }, device, at), context));
  return card("Would a player get it?", { id: "dry" }, element, result);
}

function verdict(player, { would, because, checks, before, variant, queuedAgain }) {
  return [
    would
      ? note("good", h("p", {}, h("strong", {}, "Yes."), ` ${player} would get it${before.length > 0 ? " after other offers" : ""}.`))
      : note("no", h("p", {}, h("strong", {}, "No: "), RULES[because?.rule] ?? because?.rule, because?.detail ? `: ${because.detail}` : "", ".")),
    queuedAgain && h("p", { class: "muted" }, "A copy of his waits to be sent again: only the rules up to the placement count."),
    variant && h("p", {}, "Variant ", badge(variant)),
    before.length > 0 && h("p", {}, "Comes first: ", before.map((other) => [link(other, `#/campaigns/${encodeURIComponent(other)}`), " "])),
    h("ul", { class: "checks" }, checks.map((check) => h("li", { class: check === because || (!would && check.rule === because?.rule) ? "because" : "" },
      tick(check.ok), h("span", { title: check.rule }, RULES[check.rule] ?? check.rule), h("span", { class: "muted" }, check.detail)))),
  ];
}

function editor(id, found, known, { go, again }) {
  const d = found.definition ?? found;
  const form = new Form({ label: "Campaign", isNew: id === null, saveText: id === null ? "Create campaign" : "Save", save });
  form.onDiscard = () => (id === null ? go("#/campaigns") : again());
  const text = (value) => (value === undefined || value === null ? "" : json(value));
  const list = (values) => (values ?? []).join("\n");
  const f = {
    id: id === null && form.text("id", "Id", "", { mono: true, hint: "1 to 64 of A-Z a-z 0-9 _ . : -" }),
    title: form.text("title", "Title", d.title),
    discount: form.number("discount", "Discount, per cent", d.discount, { min: 0, max: 100, step: "any" }),
    life: form.number("expiresInSeconds", "A copy lives, seconds", d.expiresInSeconds, { min: 1, hint: d.expiresInSeconds ? duration(d.expiresInSeconds) : undefined }),
    image: form.text("imageUrl", "Picture", d.imageUrl, { type: "url", placeholder: "https://" }),
    campaignId: form.text("campaignId", "Campaign id in the offer", d.campaignId, { mono: true, hint: "Empty: the id." }),
    data: form.area("data", "Data for the game, as JSON", text(d.data), { rows: 3 }),
    enabled: form.check("enabled", "Enabled", d.enabled, { hint: "Off: no further copy is sent." }),
    priority: form.number("priority", "Priority", d.priority, { hint: "The greater comes first." }),
    placements: form.area("placements", "Placements, one a line", list(d.placements), { rows: 3, hint: "Empty: anywhere.", wide: false }),
    players: form.area("players", "Players, one a line", list(d.players), { rows: 3, hint: "Empty: everybody.", wide: false }),
    segments: form.area("segments", "In all of these segments", list(d.segments), { rows: 2, wide: false, hint: Object.keys(known.segments).length > 0 ? `There are: ${Object.keys(known.segments).join(", ")}` : "There are none yet." }),
    notSegments: form.area("notSegments", "In none of these", list(d.notSegments), { rows: 2, wide: false }),
    when: form.area("when", "Condition, as JSON", text(d.when), { rows: 3, placeholder: "{\"trait\": {\"name\": \"spend\", \"op\": \">=\", \"value\": 100}}" }),
    trigger: form.area("trigger", "Trigger, as JSON", text(d.trigger), { rows: 3, placeholder: "{\"event\": \"fish\", \"count\": 3, \"withinSeconds\": 600}", hint: "An analytics event that makes it due. Empty: due at once." }),
    first: form.check("firstSession", "Only in a player's first session", d.firstSession),
    perPlayer: form.number("perPlayer", "Copies per player", d.perPlayer, { min: 1, max: 1_000 }),
    perDay: form.number("perPlayerPerDay", "…on one day", d.perPlayerPerDay, { min: 1, max: 1_000, hint: "Empty: no limit of its own." }),
    cooldown: form.number("cooldownSeconds", "Seconds between two copies", d.cooldownSeconds, { min: 0 }),
    total: form.number("budget.total", "Budget, copies for all players", d.budget?.total, { min: 0, hint: "Empty: no limit." }),
    day: form.number("budget.perDay", "…on one day", d.budget?.perDay, { min: 0 }),
    zone: form.text("timeZone", "Time zone of its days and hours", d.timeZone, { placeholder: "Europe/Berlin" }),
    from: form.moment("startsAt", "From", d.startsAt),
    until: form.moment("endsAt", "Until", d.endsAt),
    hours: form.area("hours", "Hours, as JSON", d.hours?.length ? json(d.hours) : "", { rows: 3, placeholder: "[{\"days\": [\"sat\", \"sun\"], \"from\": \"18:00\", \"to\": \"22:00\"}]" }),
    split: form.area("split", "Split by a flag, as JSON", text(d.split), { rows: 3, placeholder: "{\"flag\": \"price\", \"variants\": {\"cheap\": {\"discount\": 50}, \"none\": {\"holdOut\": true}}}", hint: "An experiment with the offer itself." }),
  };

  function collect() {
    const given = (value) => (value === "" || value?.length === 0 ? undefined : value);
    const body = {
      title: valueOf(f.title), discount: numberOf(f.discount, "discount") ?? 0, expiresInSeconds: numberOf(f.life, "expiresInSeconds"),
      imageUrl: valueOf(f.image), campaignId: valueOf(f.campaignId), data: jsonOf(f.data, "data"), enabled: checkedOf(f.enabled),
      priority: numberOf(f.priority, "priority") ?? 0, placements: given(linesOf(f.placements)), players: given(linesOf(f.players)),
      segments: given(linesOf(f.segments)), notSegments: given(linesOf(f.notSegments)), when: jsonOf(f.when, "when"), trigger: jsonOf(f.trigger, "trigger"),
      firstSession: checkedOf(f.first), perPlayer: numberOf(f.perPlayer, "perPlayer") ?? 1, perPlayerPerDay: numberOf(f.perDay, "perPlayerPerDay"),
      cooldownSeconds: numberOf(f.cooldown, "cooldownSeconds") ?? 0, budget: { total: numberOf(f.total, "budget.total"), perDay: numberOf(f.day, "budget.perDay") },
      timeZone: valueOf(f.zone) || "UTC", startsAt: momentOf(f.from), endsAt: momentOf(f.until), hours: jsonOf(f.hours, "hours"), split: jsonOf(f.split, "split"),
    };
    if (body.title === "") throw new Entry("title", "A campaign needs a title.");
    if (body.expiresInSeconds === undefined) throw new Entry("expiresInSeconds", "Say how long a copy lives.");
    return body;
  }

  async function save() {
    const target = id ?? valueOf(f.id);
    if (!target) throw new Entry("id", "A campaign needs an id.");
    const body = collect();
    const now = (await get("campaigns")).campaigns.find((other) => other.id === target) ?? null;
    if (id === null && now !== null) throw new Entry("id", `There is a campaign ${JSON.stringify(target)} already.`);
    if (id !== null && now?.updatedAt !== found.updatedAt) {
      const yes = await confirm("Changed meanwhile", now === null ? "Somebody deleted this campaign after you opened it. Saving creates it again."
        : ["Somebody changed this campaign after you opened it. Saving now replaces that change by what stands here.", h("pre", {}, json(now.definition))], "Save nevertheless");
      if (!yes) return;
    }
    await put(`campaigns/${step(target)}`, body);
    form.settle();
    say(`${target} is saved.`);
    if (id === null) go(`#/campaigns/${encodeURIComponent(target)}`);
    else again();
  }

  return form.build(
    card("The offer", { id: "offer" }, h("div", { class: "grid" }, f.id, f.title, f.discount, f.life, f.image, f.campaignId), f.data, f.enabled),
    card("Who and where", { id: "whom" }, h("div", { class: "grid" }, f.placements, f.players, f.segments, f.notSegments), f.trigger, f.when, f.first),
    card("How often", { id: "often" }, h("div", { class: "grid" }, f.perPlayer, f.perDay, f.cooldown, f.total, f.day, f.priority)),
    card("When", { id: "moment" }, h("div", { class: "grid" }, f.from, f.until, f.zone), f.hours),
    card("Split", { id: "split" }, f.split));
}

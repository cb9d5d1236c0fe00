// One experiment: the verdict in words, the effect over time, and its end by one call.
import { get, post, step } from "../api.js";
import { chart } from "../chart.js";
import { fill, h } from "../dom.js";
import { count, digits, number, percent, signed, time } from "../format.js";
import { badge, button, card, confirm, dialog, facts, note, numbers, page, run, say, table } from "../parts.js";
import { measured, outcome } from "./experiments.js";

const FINDINGS = { better: ["Better", "good"], worse: ["Worse", "bad"], unclear: ["Not settled", "plain"] };
const DECISIONS = { promote: ["Promote", "good"], drop: ["Drop", "bad"], inconclusive: ["No decision yet", "info"] };

export async function experiment({ what, signal, again }) {
  // The report becomes the history's last point, so it comes first.
  const found = await get(`experiments/${step(what)}/report`, signal);
  const history = await get(`experiments/${step(what)}/history`, signal);
  const { report, definition, endedAt, promoted } = found;
  const rate = definition.metric.kind === "conversion";
  const write = { value: rate ? (v) => percent(v) : number, effect: rate ? (v) => signed(v * 100, (n) => digits(n, 2)) : (v) => signed(v) };
  const unit = rate ? " points" : "";
  const running = endedAt === null;
  return page(what, {
    back: { href: "#/experiments", text: "Experiments" },
    actions: [outcome(found), running && button("Promote…", (event) => run(event, () => promote(what, found, again)), "primary"),
      running && button("Drop…", (event) => run(event, () => drop(what, found, again)), "danger-quiet")].filter(Boolean),
    lead: [`Compares the ${measured(definition)}, by the flag `, h("a", { href: `#/flags/${encodeURIComponent(definition.flag)}` }, definition.flag),
      definition.direction === "lower" ? "; less is better." : "; more is better."],
  },
  ended(found), verdict(report), course(history, report, write, unit), arms(report, write, unit), bySegment(report, write), facts([
    ["Started", time(found.startedAt)], ["Ended", running ? "runs" : time(endedAt)], ["As of", time(report.asOf)], ["Days since the first exposure", report.days.toFixed(1)],
    ["Players", count(report.players)], ["Left out, having seen two variants", count(report.leftOut.twoVariants)], promoted && ["Promoted", promoted],
  ]));
}

const ended = ({ endedAt, promoted, definition }) => endedAt !== null && note("info", h("p", {},
  promoted ? [h("strong", {}, `Everybody gets ${promoted}`), " since ", time(endedAt), "."] : [h("strong", {}, "Everybody gets the default"), " since ", time(endedAt), "."],
  " The flag’s history can roll it back: ", h("a", { href: `#/flags/${encodeURIComponent(definition.flag)}` }, definition.flag), "."));

function verdict(report) {
  const { decision, variant, words } = report.verdict;
  const [text, kind] = DECISIONS[decision] ?? [decision, "plain"];
  const ratio = report.sampleRatio;
  return h("section", { class: `card verdict ${kind}`, "aria-labelledby": "verdict" },
    h("h2", { id: "verdict" }, text, variant && ` ${variant}`),
    h("p", { class: "verdict-words" }, words),
    h("p", { class: "muted small-text" }, ratio.fair ? "The players split as the flag splits them" : "The players did not split as the flag splits them", ` (p = ${number(ratio.pValue)}).`));
}

/** The effect and its confidence sequence, day by day, for one variant at a time. */
function course(history, report, write, unit) {
  const variants = [...new Set(history.points.flatMap((point) => point.arms.map((arm) => arm.variant)))];
  const box = h("div", {});
  const draw = (variant) => {
    const at = (point) => point.arms.find((arm) => arm.variant === variant);
    const column = (key) => history.points.map((point) => at(point)?.[key] ?? null);
    const last = history.points.length > 0 ? at(history.points.at(-1)) : undefined;
    const interval = last && last.low !== null ? `Now ${write.effect(last.effect)}${unit}, and whenever one looks between ${write.effect(last.low)} and ${write.effect(last.high)}.` : "There is no interval yet.";
    const found = last && { better: " The interval leaves out 0: better.", worse: " The interval leaves out 0: worse.", unclear: "" }[last.finding];
    fill(box, chart({
      title: `Effect of ${variant} against ${report.control}${unit && ", in points"}`, words: interval + (found ?? ""), times: history.points.map((point) => point.asOf),
      lines: [{ label: "Effect", values: column("effect") }, { label: "Low", values: column("low"), faint: true, colour: "--c1" }, { label: "High", values: column("high"), faint: true, colour: "--c1" }],
      band: [3, 2], zero: true, write: (v) => (v === null || v === undefined ? "–" : write.effect(v)), height: 260,
    }));
  };
  const pick = variants.length > 1 && h("select", { id: "variant", on: { change: (event) => draw(event.currentTarget.value) } }, variants.map((v) => h("option", { value: v }, v)));
  if (variants.length > 0) draw(variants[0]);
  else fill(box, h("p", { class: "muted" }, "A point is added each day, once players have seen the variants."));
  return card("Course", { id: "course" }, pick && h("div", { class: "tools" }, h("label", { for: "variant" }, "Variant"), pick), box,
    h("p", { class: "muted small-text" }, "The band is the confidence sequence: it holds at every look, so deciding on the day on which it leaves 0 is allowed."));
}

function arms(report, write, unit) {
  const control = { variant: report.control, players: report.controlPlayers, value: report.controlValue, control: true };
  const interval = (s) => (s ? `${write.effect(s.interval.low)} … ${write.effect(s.interval.high)}` : "–");
  return card("Variants", { id: "arms" }, table("Variants", [
    { head: "Variant", cell: (a) => h("span", { class: "name" }, a.variant) },
    { head: "Players", kind: "num", cell: (a) => count(a.players) },
    { head: "Value", kind: "num", cell: (a) => write.value(a.value) },
    { head: `Difference${unit && ", points"}`, kind: "num", cell: (a) => (a.control ? "–" : [write.effect(a.value - report.controlValue), a.relative !== null && h("span", { class: "muted" }, ` (${signed(a.relative * 100, (n) => `${number(n)} %`)})`)]) },
    { head: "Whenever one looks", kind: "num", cell: (a) => (a.control ? "–" : interval(a.sequence)) },
    { head: "Finding", cell: (a) => (a.control ? badge("Control") : badge(...FINDINGS[a.finding])) },
  ], [control, ...report.arms]));
}

function bySegment(report, write) {
  if (report.segments.length === 0) return null;
  const rows = report.segments.flatMap((s) => s.arms.map((arm) => [s.segment, arm.variant, count(arm.players), write.value(arm.value), write.value(s.controlValue),
    arm.sequence ? `${write.effect(arm.sequence.interval.low)} … ${write.effect(arm.sequence.interval.high)}` : "–", FINDINGS[arm.finding][0]]));
  return card("Segments", { id: "segments" }, numbers("By segment", ["Segment", "Variant", "Players", "Value", "Control", "Whenever one looks", "Finding"], rows),
    h("p", { class: "muted small-text" }, "All segments are one family: one among many does not win by chance."));
}

async function promote(name, { report, definition }, again) {
  const named = report.verdict.variant;
  const variants = report.arms.map((arm) => arm.variant);
  const variant = await dialog(`Promote a variant of ${definition.flag}`, (close) => {
    const pick = h("select", { id: "promoted" }, variants.map((v) => h("option", { value: v, selected: v === named }, v)));
    return [
      h("div", { class: "field" }, h("label", { for: "promoted" }, "Everybody gets"), pick),
      named ? h("p", {}, `The verdict names ${named}.`) : note("warn", h("p", {}, "The verdict names no variant. ", report.verdict.words)),
      h("p", {}, "This ends the experiment. Every game hears of it at once; the flag’s history can roll it back."),
      h("div", { class: "dialog-actions" }, button("Cancel", () => close(), "", { autofocus: true }), button("Promote", () => close(pick.value), "primary")),
    ];
  });
  if (variant === undefined) return;
  const { flag, version } = await post(`experiments/${step(name)}/promote`, { variant });
  say(`Everybody gets ${variant} of ${flag}: configuration ${version}.`);
  again();
}

async function drop(name, { definition, report }, again) {
  const yes = await confirm(`Drop ${name}?`, `Everybody gets ${report.control}, the default of ${definition.flag}. This ends the experiment; the flag’s history can roll it back.`, "Drop");
  if (!yes) return;
  const { flag, version } = await post(`experiments/${step(name)}/drop`);
  say(`Everybody gets the default of ${flag}: configuration ${version}.`);
  again();
}

// The sockets as they are, looked at anew every few seconds, and as they were.
import { get } from "../api.js";
import { chart } from "../chart.js";
import { fill, h } from "../dom.js";
import { count, digits, duration, many, percent, time } from "../format.js";
import { badge, button, card, failed, note, page, stat, table } from "../parts.js";

const SPANS = [["1", "Hour"], ["6", "6 hours"], ["24", "Day"], ["168", "Week"], ["720", "30 days"]];
/** Milliseconds between two looks. */
const LOOK = 5_000;
/** Workers with a line of their own; the others are in the sum. */
const LINES = 6;

const CODES = {
  0: "unknown code", 1000: "normal end", 1001: "going away", 1003: "not text", 1006: "connection lost", 1007: "not UTF-8", 1009: "message too large", 1011: "server error",
  4001: "not authenticated", 4002: "handshake too slow", 4003: "replaced by a newer socket", 4008: "reads too slowly", 4009: "idle", 4010: "draining", 4029: "rate limited",
  4500: "protocol error", 4501: "build too old", 4503: "banned",
};
const ms = (value) => (value === null || value === undefined ? "–" : `${digits(value, value < 10 ? 2 : 0)} ms`);

export async function pool({ signal }) {
  const [first, spec] = await Promise.all([get("pool", signal), get("pool/history", signal)]);
  const now = h("div", { class: "stack" });
  const past = h("div", { class: "charts" });
  const trouble = h("div", {});
  let hours = "1";
  let last = spec;
  const span = h("div", { class: "segmented", role: "group", "aria-label": "How far back" }, SPANS.map(([value, text]) =>
    button(text, (event) => {
      hours = value;
      for (const other of span.children) other.setAttribute("aria-pressed", String(other === event.currentTarget));
      look(true);
    }, "small", { "aria-pressed": String(value === hours) })));
  const pause = button("Pause", () => {
    stopped = !stopped;
    pause.textContent = stopped ? "Go on" : "Pause";
    if (!stopped) look(true);
  }, "small");
  let stopped = false;
  let looks = 0;
  async function look(everything) {
    looks += 1;
    if (everything) past.setAttribute("aria-busy", "true");
    try {
      const live = await get("pool", signal);
      fill(trouble);
      fill(now, present(live));
      // The past moves slowly; a table that somebody has opened is not taken from him.
      if (everything || (looks % 6 === 0 && !past.querySelector("details[open]"))) {
        const to = live.at + 1;
        last = await get(`pool/history?from=${Math.max(0, to - Number(hours) * 3_600_000)}&to=${to}`, signal);
        fill(past, charts(last, live.alert));
      }
    } catch (problem) {
      if (problem.name !== "AbortError") fill(trouble, failed(problem, () => look(true)));
    } finally {
      if (everything) past.removeAttribute("aria-busy");
    }
  }
  const timer = setInterval(() => {
    if (!stopped && document.visibilityState === "visible") look(false);
  }, LOOK);
  signal.addEventListener("abort", () => clearInterval(timer));
  fill(now, present(first));
  fill(past, charts(last, first.alert));
  return page("Live pool", { actions: [pause], lead: "The sockets of this server, looked at every five seconds." },
    trouble, now, h("div", { class: "tools" }, h("h2", {}, "Over time"), span), past);
}

function present({ startedAt, draining, connections, players, strangers, placesPerWorker, workers, window: w, alert }) {
  const firing = alert.state === "firing";
  const minutes = duration(w.ms / 1_000);
  return [
    draining && note("warn", h("p", {}, "The server drains: it takes no new sockets.")),
    firing && h("div", { class: "note bad", role: "alert" }, h("p", {}, h("strong", {}, "Alert: "), `${percent(w.reconnectRate, 1)} of the devices came back after a loss within ${minutes}, since `, time(alert.since),
      `. It ends below ${percent(alert.below, 1)}.`)),
    h("div", { class: "stats" },
      stat("Connections", count(connections), `${many(players, "player")}, ${count(strangers)} not yet authenticated`),
      stat("Reconnect rate", percent(w.reconnectRate, 1), `${count(w.reconnected)} of ${many(w.devices, "device")} in ${minutes}; alert above ${percent(alert.above, 0)}${w.devices < alert.minDevices ? `, from ${count(alert.minDevices)} devices on` : ""}`, firing ? "bad" : ""),
      stat("Push latency p99", w.latencyMs ? ms(w.latencyMs.p99) : "–", w.latencyMs ? `p50 ${ms(w.latencyMs.p50)}, p95 ${ms(w.latencyMs.p95)}` : `nothing was pushed in ${minutes}`),
      stat("Average life", w.averageTtlMs === null ? "–" : duration(w.averageTtlMs / 1_000), `${count(w.opened)} opened, ${count(w.ended)} ended in ${minutes}`)),
    h("div", { class: "columns" },
      card("Workers", { id: "workers" }, table("Workers", [
        { head: "Worker", cell: (worker) => h("span", { class: "name" }, `Worker ${worker.worker}`) },
        { head: "Connections", kind: "num", cell: (worker) => `${count(worker.connections)} of ${count(placesPerWorker)}` },
        { head: "Used", cell: (worker) => bar(worker.connections, placesPerWorker) },
        { head: "Since", cell: (worker) => time(worker.startedAt) },
      ], workers, { empty: h("p", { class: "muted" }, "No worker: nobody is connected.") }), h("p", { class: "muted small-text" }, "Running since ", time(startedAt), ".")),
      card("Closes", { id: "closes" }, table("Closes", [
        { head: "Code", cell: ([code]) => h("span", {}, badge(code), " ", CODES[code] ?? "") },
        { head: `In ${minutes}`, kind: "num", cell: ([, n]) => count(n) },
      ], Object.entries(w.closes), { empty: h("p", { class: "muted" }, `No socket ended in ${minutes}.`) }))),
  ];
}

const bar = (value, most) => h("span", { class: "bar-track", "aria-hidden": "true" }, h("span", { class: "bar-fill", style: { width: `${Math.min(1, value / Math.max(1, most)) * 100}%` } }));

/** A gap where the server did not run: a moment without numbers. */
function withGaps({ points, step }) {
  const all = [];
  for (const point of points) {
    const before = all.at(-1);
    if (before && point.at - before.at > step * 1.5) all.push({ at: before.at + step, gap: true });
    all.push(point);
  }
  return all;
}

function charts(history, alert) {
  const points = withGaps(history);
  const times = points.map((point) => point.at);
  const column = (pick) => points.map((point) => (point.gap ? null : pick(point) ?? null));
  const known = points.filter((point) => !point.gap);
  const last = known.at(-1);
  const timed = known.findLast((point) => point.latencyMs);
  const top = (pick) => known.reduce((most, point) => Math.max(most, pick(point) ?? 0), 0);
  const workers = [...new Set(known.flatMap((point) => Object.keys(point.perWorker)))].sort((a, b) => a - b);
  const codes = [...new Set(known.flatMap((point) => Object.keys(point.closes)))];
  const sum = (code) => known.reduce((all, point) => all + (point.closes[code] ?? 0), 0);
  const common = codes.sort((a, b) => sum(b) - sum(a)).slice(0, LINES);
  const worst = top((point) => point.reconnectRate.max);
  return [
    chart({
      title: "Connections per worker", times, words: last ? `${count(Math.round(last.connections.average))} now, ${count(top((point) => point.connections.max))} at most.` : "",
      lines: workers.length <= LINES
        ? workers.map((worker) => ({ label: `Worker ${worker}`, values: column((point) => point.perWorker[worker] ?? null) }))
        : [{ label: `All ${workers.length} workers`, values: column((point) => point.connections.average) }],
    }),
    chart({
      title: "Reconnect rate", times, words: last ? `${percent(last.reconnectRate.average, 1)} now, ${percent(worst, 1)} at most; the alert line is at ${percent(alert.above, 0)}${worst > alert.above ? " and was passed" : ""}.` : "",
      lines: [{ label: "Devices that came back after a loss", values: column((point) => point.reconnectRate.max) }], limit: { at: alert.above, label: `alert above ${percent(alert.above, 0)}` }, write: (v) => (v === null || v === undefined ? "–" : percent(v, 1)),
    }),
    chart({
      title: "Push latency", times, words: timed ? `Last p50 ${ms(timed.latencyMs.p50)}, p95 ${ms(timed.latencyMs.p95)}, p99 ${ms(timed.latencyMs.p99)}; p99 at most ${ms(top((point) => point.latencyMs?.worstP99))}.` : "Nothing was pushed.",
      lines: [["p50", "p50"], ["p95", "p95"], ["p99", "p99"]].map(([key, label]) => ({ label, values: column((point) => point.latencyMs?.[key]) })), write: ms,
    }),
    chart({
      title: "Closes by code", times, words: common.length > 0 ? common.map((code) => `${code} ${CODES[code] ?? ""}: ${count(sum(code))}`).join("; ") : "No socket ended.",
      lines: common.map((code) => ({ label: `${code} ${CODES[code] ?? ""}`, values: column((point) => point.closes[code] ?? 0) })),
    }),
  ].map((figure) => h("section", { class: "card" }, figure));
}

// Charts over time: uPlot draws, a sentence and a table say the same to whoever does not see the drawing.
import { fill, h } from "./dom.js";
import { number, time } from "./format.js";
import { numbers } from "./parts.js";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const hour = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const second = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** What axes say of a moment, by how long the chart is. */
function moments(_, splits, __, ___, step) {
  const style = step >= 86_400 ? day : step >= 60 ? hour : second;
  return splits.map((at) => style.format(new Date(at * 1000)));
}

const DASHES = [undefined, [6, 3], [2, 3], [10, 3, 2, 3], [4, 2], [1, 2]];

/**
 * A chart. `times` are Unix ms; `lines` are `{label, values, colour?, faint?}`; `band` fills between two of them; `limit` is a line
 * `{at, label}` that matters; `write` makes a value a text; `words` say what is to be seen.
 */
export function chart({ title, words, times, lines, band, limit, zero = false, write = number, height = 220 }) {
  const canvas = h("div", { class: "chart-canvas", role: "img", "aria-label": `${title}. ${words}` });
  const readout = h("div", { class: "chart-readout", "aria-hidden": "true" });
  const looks = lines.map((line, n) => ({ colour: line.colour ?? `--c${(n % 6) + 1}`, dash: line.faint ? [3, 4] : DASHES[n % 6] }));
  const legend = h("ul", { class: "legend" }, lines.map((line, n) => line.label && !line.faint && h("li", {},
    h("span", { class: "legend-line", style: { "border-top-color": `var(${looks[n].colour})`, "border-top-style": looks[n].dash ? "dashed" : "solid" } }), line.label)));
  const details = h("details", { class: "chart-table" }, h("summary", {}, "The numbers as a table"));
  details.addEventListener("toggle", () => {
    if (!details.open || details.children.length > 1) return;
    const heads = ["Time", ...lines.map((line) => line.label)];
    const rows = times.map((at, n) => [time(at), ...lines.map((line) => write(line.values[n]))]).reverse();
    details.append(numbers(title, heads, rows));
  });
  let plot = null;
  const draw = () => {
    plot?.destroy();
    const width = canvas.clientWidth;
    if (width === 0) return;
    const font = "12px system-ui, sans-serif";
    const axis = { stroke: colour("--muted"), font, grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    const marks = [limit && { ...limit, colour: "--bad" }, zero && { at: 0, colour: "--muted" }].filter(Boolean);
    plot = new uPlot({
      width, height, legend: { show: false }, cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
      padding: [12, 12, 0, 4],
      scales: { y: { range: (_, low, high) => range([low, high, ...marks.map((mark) => mark.at)]) } },
      axes: [{ ...axis, space: 64, size: 28, values: moments }, { ...axis, size: 62, values: (_, splits) => splits.map((v) => write(v)) }],
      series: [{}, ...lines.map((line, n) => ({
        label: line.label, stroke: colour(looks[n].colour), width: line.faint ? 1 : 2, dash: looks[n].dash,
        points: { show: times.length < 3, size: 6 }, spanGaps: false,
      }))],
      bands: band ? [{ series: band, fill: colour("--band") }] : undefined,
      hooks: {
        draw: [(u) => marks.forEach((mark) => drawMark(u, mark))],
        setCursor: [(u) => {
          const n = u.cursor.idx;
          readout.textContent = n === null || n === undefined || n < 0 ? ""
            : `${time(times[n]).textContent}: ${lines.map((line) => `${line.label} ${write(line.values[n])}`).join(", ")}`;
        }],
      },
    }, [times.map((at) => at / 1000), ...lines.map((line) => line.values)], canvas);
  };
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", draw);
  let width = 0;
  const watch = new ResizeObserver(() => {
    if (!canvas.isConnected) {
      watch.disconnect();
      scheme.removeEventListener("change", draw);
      plot?.destroy();
      plot = null;
    } else if (canvas.clientWidth !== width) {
      width = canvas.clientWidth;
      draw();
    }
  });
  watch.observe(canvas);
  return fill(h("figure", { class: "chart" }), h("figcaption", {}, h("h3", {}, title), legend),
    times.length === 0 ? h("p", { class: "muted chart-empty" }, "No numbers yet.") : [canvas, readout, h("p", { class: "chart-words" }, words), details]);
}

/** From the least to the greatest value, with some air; what is never negative starts at nothing. */
function range(values) {
  const known = values.filter((v) => v !== null && v !== undefined && Number.isFinite(v));
  if (known.length === 0) return [0, 1];
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const air = (high - low || Math.abs(high) || 1) * 0.08;
  return [low >= 0 ? 0 : low - air, high <= 0 && low < 0 ? Math.max(0, high + air) : high + air];
}

function drawMark(u, mark) {
  const y = u.valToPos(mark.at, "y", true);
  const { left, top, width, height } = u.bbox;
  if (y < top || y > top + height) return;
  const { ctx } = u;
  ctx.save();
  ctx.strokeStyle = colour(mark.colour);
  ctx.lineWidth = Math.max(1, devicePixelRatio);
  ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(left, y);
  ctx.lineTo(left + width, y);
  ctx.stroke();
  if (mark.label) {
    ctx.fillStyle = colour(mark.colour);
    ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textAlign = "right";
    ctx.textBaseline = "bottom";
    ctx.fillText(mark.label, left + width - 4, y - 3 * devicePixelRatio);
  }
  ctx.restore();
}

// How numbers and times are written.
import { h } from "./dom.js";

const whole = new Intl.NumberFormat("en-GB");
const short = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const long = new Intl.DateTimeFormat("en-GB", {
  day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit",
});

export const count = (n) => whole.format(n);

/** `1 player`, `2 players`. */
export const many = (n, what) => `${whole.format(n)} ${what}${n === 1 ? "" : "s"}`;

/** A share with as many digits as it takes: 12.5 %, 0.01 %. */
export function percent(share, digits = 2) {
  const text = (share * 100).toFixed(digits);
  return `${digits > 0 ? text.replace(/\.?0+$/, "") : text} %`;
}

export const basisPoints = (bp) => percent(bp / 10_000);

/** A number to four digits. */
export function number(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e9 || size < 1e-4) return value.toExponential(2);
  return new Intl.NumberFormat("en-GB", { maximumSignificantDigits: 4 }).format(value);
}

/** At most so many digits after the point. */
export const digits = (value, most) => new Intl.NumberFormat("en-GB", { maximumFractionDigits: most }).format(value);

export const signed = (value, write = number) => (value > 0 ? `+${write(value)}` : write(value).replace("-", "−"));

export function duration(seconds) {
  const units = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];
  const parts = [];
  let rest = Math.max(0, Math.round(seconds));
  for (const [name, size] of units) {
    const n = Math.floor(rest / size);
    rest -= n * size;
    if (n > 0) parts.push(`${count(n)} ${name}${n === 1 ? "" : "s"}`);
  }
  return parts.slice(0, 2).join(" ") || "0 seconds";
}

const utc = (at) => `${new Date(at).toISOString().slice(0, 19).replace("T", " ")} UTC`;

/** A moment in the reader's own time zone; the same in UTC when one points at it. */
export function time(at) {
  if (at === null || at === undefined) return "–";
  if (at === 0) return "before this was kept";
  const date = new Date(at);
  const style = date.getFullYear() === new Date().getFullYear() ? short : long;
  return h("time", { datetime: date.toISOString(), title: utc(at) }, style.format(date));
}

/** For `<input type="datetime-local">`: the reader's own time, without a zone. */
export function toLocal(at) {
  if (at === null || at === undefined) return "";
  const date = new Date(at);
  return new Date(at - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** Unix milliseconds, or nothing where there is nothing. */
export function fromLocal(text) {
  if (!text) return undefined;
  const at = new Date(text).getTime();
  return Number.isNaN(at) ? undefined : at;
}

export const utcOf = (text) => {
  const at = fromLocal(text);
  return at === undefined ? "" : utc(at);
};

export const json = (value) => JSON.stringify(value, null, 2);

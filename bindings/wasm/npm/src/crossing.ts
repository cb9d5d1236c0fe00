// How calls and texts cross between JavaScript and the module; `bindings/wasm/src/crossing.rs` is the other half.

import type * as Glue from '../generated/castline_bg.js';
import type { Call } from './numbers.js';

/** What crosses inwards: a text, bytes, or that there is none. */
export type Text = string | Uint8Array | undefined;

/** Characters. */
const SHORT = 1_024;

/** Who hears what the module tells while it is called. */
export interface Hearer {
  /** By the numbers of `Tell`. It must not call the module. What it returns crosses back: a text, or a number. */
  hear(what: number, texts: string[], numbers: number[]): string | number | boolean | undefined | void;
}

let module: typeof Glue;
let memory: WebAssembly.Memory;
/** The module's memory, which is another object once it has grown. */
let bytes = new Uint8Array();
let view: DataView;
let hearer: Hearer;

const encoder = new TextEncoder();
// A text may begin with what would be a mark of byte order in a file.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export function attach(glue: typeof Glue, linear: WebAssembly.Memory): void {
  module = glue;
  memory = linear;
}

export function enter(from: Hearer, client: number, what: Call, texts: Text[], a: number, b: number): number {
  hearer = from;
  if (texts.length) put(texts);
  return module.call(client, what, a, b, performance.now(), Date.now());
}

function look(): void {
  const { buffer } = memory;
  if (bytes.buffer === buffer) return;
  bytes = new Uint8Array(buffer);
  view = new DataView(buffer);
}

/** Each is its length, all ones for none, and its bytes. */
function put(texts: Text[]): void {
  // A short text is written where it belongs, for which there is room however it is encoded; a long one would take three times its room.
  const parts = texts.map((text) => (typeof text === 'string' && text.length > SHORT ? encoder.encode(text) : text));
  let at = module.room(parts.reduce((sum, part) => sum + 4 + (typeof part === 'string' ? 3 : 1) * (part?.length ?? 0), 0));
  look();
  for (const part of parts) {
    let length = part?.length;
    if (typeof part === 'string') length = encoder.encodeInto(part, bytes.subarray(at + 4)).written;
    else if (part) bytes.set(part, at + 4);
    view.setUint32(at, length ?? 0xffff_ffff, true);
    at += 4 + (length ?? 0);
  }
}

function read(at: number, length: number): string {
  return decoder.decode(bytes.subarray(at, at + length));
}

/** What the module calls: where `count` texts lie, and four numbers. */
export function tell(what: number, at: number, count: number, ...numbers: number[]): number {
  look();
  const texts: string[] = [];
  for (let place = at; place < at + 8 * count; place += 8) {
    texts.push(read(view.getUint32(place, true), view.getUint32(place + 4, true)));
  }
  const answer = hearer.hear(what, texts, numbers);
  if (typeof answer !== 'string') return Number(answer ?? 0);
  put([answer]);
  return 1;
}

/** What the module calls: the nearest double of a JSON number. */
export function number(at: number, length: number): number {
  look();
  return Number(read(at, length));
}

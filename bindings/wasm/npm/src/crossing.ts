// How calls and texts cross between JavaScript and the module; `bindings/wasm/src/crossing.rs` is the other half.

import type * as Glue from '../generated/castline_bg.js';
import type { Call } from './numbers.js';

/** What crosses inwards: a text, bytes, or that there is none. */
export type Text = string | Uint8Array | undefined;

/** Who hears what the module tells while it is called. */
export interface Hearer {
  /** By the numbers of `Tell`. It must not call the module. What it returns crosses back: a text, or a number. */
  hear(what: number, texts: string[], numbers: number[]): string | number | boolean | undefined | void;
}

let glue: typeof Glue;
let memory: WebAssembly.Memory;
let hearer: Hearer;

const encoder = new TextEncoder();
// A text may begin with what would be a mark of byte order in a file.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export function attach(to: typeof Glue, exports: WebAssembly.Exports): void {
  glue = to;
  memory = exports.memory as WebAssembly.Memory;
}

export function enter(from: Hearer, client: number, what: Call, texts: Text[], a: number, b: number): number {
  hearer = from;
  if (texts.length) put(texts);
  return glue.call(client, what, a, b, performance.now(), Date.now());
}

/** Each is its length, all ones for none, and its bytes. */
function put(texts: Text[]): void {
  const parts = texts.map((text) => (typeof text === 'string' ? encoder.encode(text) : text));
  let at = glue.room(parts.reduce((sum, part) => sum + 4 + (part?.length ?? 0), 0));
  const view = new DataView(memory.buffer);
  for (const part of parts) {
    view.setUint32(at, part ? part.length : 0xffff_ffff, true);
    at += 4;
    if (part) {
      new Uint8Array(memory.buffer).set(part, at);
      at += part.length;
    }
  }
}

/** What the module calls: where `count` texts lie, and four numbers. */
export function tell(what: number, at: number, count: number, ...numbers: number[]): number {
  const places = new Uint32Array(memory.buffer, at, 2 * count);
  const texts: string[] = [];
  for (let i = 0; i < places.length; i += 2) {
    texts.push(decoder.decode(new Uint8Array(memory.buffer, places[i], places[i + 1])));
  }
  const answer = hearer.hear(what, texts, numbers);
  if (typeof answer !== 'string') return Number(answer ?? 0);
  put([answer]);
  return 1;
}

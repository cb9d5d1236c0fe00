// The getters' side of the flags: a value crosses once per snapshot, and is a look into a map after that.

import { Call } from './numbers.js';
import type { Reason } from './types.js';

/** 0 any, 1 bool, 2 integer, 3 number, 4 string: `Call.flag`. */
type Want = 0 | 1 | 2 | 3 | 4;

export class FlagReader {
  /** One a type; `undefined` in it: asked, and not there. */
  #values: Map<string, unknown>[] = [];
  readonly #reasons = new Map<string, Reason | undefined>();
  readonly #variants = new Map<string, string | undefined>();
  #kept = false;
  readonly #ask: (what: Call, key?: string, want?: number) => string[] | undefined;

  constructor(ask: (what: Call, key?: string, want?: number) => string[] | undefined) {
    this.#ask = ask;
    this.forget();
  }

  /** Another snapshot: what was read of the last one is worth nothing. */
  forget(): void {
    this.#values = [new Map(), new Map(), new Map(), new Map(), new Map()];
    this.#reasons.clear();
    this.#variants.clear();
  }

  read<T>(want: Want, key: string, or: T): T {
    const values = this.#values[want] as Map<string, unknown>;
    const value = values.get(key) ?? this.#once(values, key, Call.flag, want, (json) => freeze(JSON.parse(json)));
    return value === undefined ? or : (value as T);
  }

  variant(key: string): string | undefined {
    return this.#variants.get(key) ?? this.#once(this.#variants, key, Call.variant);
  }

  reason(key: string): Reason {
    return this.#reasons.get(key) ?? this.#once(this.#reasons, key, Call.reason) ?? 'DEFAULT';
  }

  /** What `known` has of a name; the module is asked once. */
  #once<T>(
    known: Map<string, T | undefined>,
    key: string,
    what: Call,
    want?: number,
    made = (text: string): unknown => text,
  ): T | undefined {
    if (known.has(key) || this.#kept || typeof key !== 'string') return known.get(key);
    const text = this.#ask(what, key, want)?.[0];
    const value = text === undefined ? undefined : (made(text) as T);
    // A game that makes names up as it goes must not fill the memory.
    if (known.size < 1_024) known.set(key, value);
    return value;
  }

  /** The client closes: the last values stay. */
  keep(): void {
    for (const name of this.#ask(Call.names) ?? []) {
      for (const want of [0, 1, 2, 3, 4] as const) this.read(want, name, undefined);
      this.variant(name);
      this.reason(name);
    }
    this.#kept = true;
  }
}

function freeze(value: unknown): unknown {
  if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach(freeze);
    Object.freeze(value);
  }
  return value;
}

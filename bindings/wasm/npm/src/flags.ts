// The getters' side of the flags: a value crosses once per snapshot, and is a look into a map after that.

import { Call } from './numbers.js';
import type { Reason } from './types.js';

/** 0 any, 1 bool, 2 integer, 3 number, 4 string: `Call.flag`. */
type Want = 0 | 1 | 2 | 3 | 4;

export class FlagReader {
  /** One a type; `undefined` in it: asked, and not there. */
  #values: Map<string, unknown>[] = [];
  readonly #reasons = new Map<string, Reason>();
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
    let value = values.get(key);
    if (value === undefined && !values.has(key) && !this.#kept && typeof key === 'string') {
      const json = this.#ask(Call.flag, key, want)?.[0];
      value = json === undefined ? undefined : freeze(JSON.parse(json));
      // A game that makes names up as it goes must not fill the memory.
      if (values.size < 1_024) values.set(key, value);
    }
    return value === undefined ? or : (value as T);
  }

  variant(key: string): string | undefined {
    if (this.#kept) return this.#variants.get(key);
    return this.#ask(Call.variant, key)?.[0];
  }

  reason(key: string): Reason {
    if (this.#kept) return this.#reasons.get(key) ?? 'DEFAULT';
    return (this.#ask(Call.reason, key)?.[0] as Reason | undefined) ?? 'DEFAULT';
  }

  /** The client closes: the last values stay. */
  keep(): void {
    for (const name of this.#ask(Call.names) ?? []) {
      for (const want of [0, 1, 2, 3, 4] as const) this.read(want, name, undefined);
      this.#variants.set(name, this.variant(name));
      this.#reasons.set(name, this.reason(name));
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

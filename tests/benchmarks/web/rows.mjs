// What was measured, round by round, as rows for the report (`tests/benchmarks/src/web.rs`), which makes ratios and medians of them.

import { CLIENTS } from './site.mjs';

const [OURS, ...PEERS] = CLIENTS;

/** `sides`: client → a value a round. A row for each peer. `aim`: `{ratio}`, or `{atMost}` in the row's unit. */
export const versus = (what, unit, sides, n, aim = null) =>
  PEERS.map((peer) => ({ what, peer, unit, aim, ours: sides[OURS], theirs: sides[peer], n }));

/** What the peers have no counterpart of. */
export const alone = (what, unit, ours, n, aim = null) => ({ what, peer: null, unit, aim, ours, theirs: null, n });

/** The clients in an order that turns from round to round. */
export const inTurn = (round) => CLIENTS.map((_, index) => CLIENTS[(index + round) % CLIENTS.length]);

/** Collects `add(name, client, value)` into `of(name)`, which is `sides` above. */
export function collector() {
  const all = {};
  return {
    add: (name, client, value) => ((all[name] ??= {})[client] ??= []).push(value),
    of: (name) => all[name],
  };
}

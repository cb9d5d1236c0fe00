// In Node.js against the real server: the whole way, and what a game can do wrong.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { CastlineError, connect, init, version, wasmSha256 } from '../dist/index.js';
import { startServer } from './server.mjs';

// Node.js 20 has none of its own.
globalThis.WebSocket ??= WebSocket;

let server;
let players = 0;
before(async () => {
  server = await startServer();
  await server.offer('starter', { audience: undefined });
  await server.flag('price', '$1.99');
});
after(() => server.stop());

/** A client of a player of his own, closed at the test's end. */
async function client(t, more = {}) {
  const player = `p${++players}`;
  const made = await connect({ url: server.url, build: '1.0.0', storage: 'memory', token: () => server.token(player), log: () => {}, ...more });
  t.after(() => made.close());
  return made;
}

const next = (of, kind, want = () => true) =>
  new Promise((resolve) => {
    const stop = of.on(kind, (event) => {
      if (!want(event)) return;
      stop();
      resolve(event);
    });
  });

test('the first offer', async (t) => {
  const game = await client(t);
  assert.equal(game.flags.string('price', 'default'), 'default');
  assert.equal(game.state, 'waiting');
  await next(game, 'flagsChanged');
  assert.equal(game.flags.string('price', 'default'), '$1.99');
  assert.equal(game.flags.variant('price'), 'control');
  assert.equal(game.flags.int('price', 7), 7);
  const offer = await game.offers.ready('level_completed', { context: { level: 3 }, leaseMs: 3_000 });
  assert.equal(offer.offerId, 'starter');
  assert.equal(offer.title, 'Starter pack');
  assert.ok(offer.expiresAt > game.serverTime);
  assert.equal(game.state, 'online');
  game.offers.result(offer.offerId, 'shown');
  assert.equal(await game.offers.ready('level_completed', { leaseMs: 1_000 }), null, 'once');
  await game.close();
  assert.equal(game.state, 'closed');
  assert.equal(game.flags.string('price', 'default'), '$1.99', 'the last values stay');
});

test('what is loaded can be known', () => {
  assert.match(version, /^\d+\.\d+\.\d+$/);
  assert.match(wasmSha256, /^[0-9a-f]{64}$/);
});

// In Node.js against the real server: the whole way, and what a game can do wrong.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { CastlineError, connect, init, version, wasmSha256 } from '../dist/index.js';
import { next, test, until, within } from './patience.mjs';
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

test('the first offer', async (t) => {
  const game = await client(t);
  assert.equal(game.flags.string('price', 'default'), 'default');
  assert.equal(game.state, 'waiting');
  await next(game, 'flagsChanged');
  assert.equal(game.flags.string('price', 'default'), '$1.99');
  assert.equal(game.flags.variant('price'), 'control');
  assert.equal(game.flags.int('price', 7), 7);
  const offer = await game.offers.ready('level_completed', { context: { level: 3 }, leaseMs: 60_000 });
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

test('bad options are refused by name', async () => {
  const good = { url: 'https://live.example.com', build: '1.0.0', token: 'a.b.c', storage: 'memory' };
  const cases = {
    url: ['http://live.example.com', 'live.example.com', 7, undefined],
    build: ['', 'x'.repeat(129), null],
    playerId: ['not a name', 7],
    token: ['', 'with space', undefined, 5],
    storage: ['disk', {}],
    flagUpdates: ['sometimes'],
    lifecycle: [true],
    log: ['console'],
  };
  for (const [name, values] of Object.entries(cases)) {
    for (const value of values) {
      await assert.rejects(connect({ ...good, [name]: value }), (error) => {
        assert.ok(error instanceof CastlineError, `${error}`);
        assert.equal(error.code, 'INVALID_ARGUMENT');
        assert.match(error.message, new RegExp(`\\b${name}\\b`));
        return true;
      });
    }
  }
  await assert.rejects(connect(), { code: 'INVALID_ARGUMENT' });
});

test('bad arguments are refused, whatever they are', async (t) => {
  const game = await client(t);
  const cycle = {};
  cycle.self = cycle;
  const bad = [{ a: NaN }, { a: Infinity }, { a: 1n }, cycle, undefined, () => {}, 'text', [1], 7, { toJSON: () => undefined }];
  for (const payload of bad) {
    await assert.rejects(game.request('game', 'x', payload), { code: 'INVALID_ARGUMENT' });
    assert.throws(() => game.send('game', 'x', payload), { code: 'INVALID_ARGUMENT' });
    if (payload !== undefined) assert.throws(() => game.track('x', payload), { code: 'INVALID_ARGUMENT' });
  }
  const huge = { a: 'x'.repeat(1 << 20) };
  await assert.rejects(game.request('game', 'x', huge), { code: 'TOO_LARGE' });
  assert.throws(() => game.track('x', huge), { code: 'TOO_LARGE' });
  assert.throws(() => game.track('x', { a: 'x'.repeat(3_000) }), { code: 'TOO_LARGE' });
  await assert.rejects(game.request('system', 'x', {}), /channel must be game or social/);
  await assert.rejects(game.request('game', '', {}), /type must be/);
  await assert.rejects(game.request('game', 'x', {}, { timeoutMs: NaN }), /timeout must be/);
  await assert.rejects(game.request('game', 'x', {}, { idempotencyKey: 'k'.repeat(65) }), /idempotencyKey must be/);
  await assert.rejects(game.offers.ready(''), /placement must be/);
  await assert.rejects(game.offers.ready(7), /placement must be/);
  await assert.rejects(game.offers.ready('x', { leaseMs: 10 }), /lease must be/);
  await assert.rejects(game.offers.ready('x', { context: { deep: { er: 1 } } }), /context must be/);
  assert.throws(() => game.offers.result('', 'shown'), /offerId must be/);
  assert.throws(() => game.offers.result('x', 'bought'), /outcome must be/);
  assert.throws(() => game.track('$mine'), /belong to the SDK/);
  assert.throws(() => game.flags.setAttributes({ a: [1] }), /attributes must be/);
  assert.throws(() => game.lifecycle('asleep'), /lifecycle must be/);
  assert.throws(() => game.on('flagsChanged', 'no function'), /listener must be/);
  await assert.rejects(game.rooms.join('not a room'), /gameId must be/);
  await assert.rejects(game.bets.place({ gameId: 'dice', amount: 1.5, selection: 1 }), /amount must be/);
  await assert.rejects(game.bets.place({ gameId: 'dice', amount: NaN, selection: 1 }), /amount must be/);
  await assert.rejects(game.bets.place(null), /amount must be/);
  for (const amount of [0, -1, 2 ** 53, '5', 5n]) await assert.rejects(game.bets.place({ gameId: 'dice', amount, selection: 1 }), /amount must be/);
  for (const selection of [1n, undefined, cycle]) await assert.rejects(game.bets.place({ gameId: 'dice', amount: 1, selection }), /selection must be/);
  await assert.rejects(game.bets.place({ gameId: 'dice', amount: 1, selection: huge }), { code: 'TOO_LARGE' });
  for (const context of [cycle, { a: NaN }, { a: 1n }]) await assert.rejects(game.offers.ready('x', { context }), /context must be/);
  await assert.rejects(game.offers.ready('x', { context: huge }), { code: 'TOO_LARGE' });
  for (const none of [null, 3_000, 'x']) {
    await assert.rejects(game.offers.ready('x', none), /options must be an object/);
    await assert.rejects(game.request('game', 'x', {}, none), /options must be an object/);
  }
  await assert.rejects(game.offers.ready('x', { leaseMs: '5000' }), /leaseMs must be a number/);
  await assert.rejects(game.request('game', 'x', {}, { timeoutMs: '5000' }), /timeoutMs must be a number/);
  const deep = JSON.parse('{"a":'.repeat(40) + '1' + '}'.repeat(40));
  await assert.rejects(game.request('game', 'x', deep), /at most 32 levels/);
  assert.throws(() => game.track('x', deep), /at most 32 levels/);
  assert.throws(() => game.flags.setAttributes({ a: NaN }), /attributes must be/);
  assert.throws(() => game.flags.setAttributes(huge), { code: 'TOO_LARGE' });
  assert.throws(() => game.rooms.send('dice', 'wave', cycle), /data must be/);
  assert.throws(() => game.rooms.send('dice', 'wave', huge), { code: 'TOO_LARGE' });
  // Getters give the default for anything.
  assert.equal(game.flags.string(undefined, 'd'), 'd');
  assert.equal(game.flags.int({}, 3), 3);
});

test('at a break: what was fetched waits in silence, and is asked for at no cost', async (t) => {
  const real = globalThis.fetch;
  t.after(() => (globalThis.fetch = real));
  const fetched = new Promise((resolve) => {
    globalThis.fetch = async (...request) => {
      const response = await real(...request);
      if (`${request[0]}`.includes('/flags')) resolve(response.clone().text());
      return response;
    };
  });
  const game = await client(t, { flagUpdates: 'at-break' });
  const told = [];
  game.on('flagsChanged', ({ version }) => told.push(version));
  const price = () => game.flags.string('price', 'default');
  assert.equal(price(), 'default');
  await within('the flags', fetched);
  await new Promise(setImmediate);
  assert.deepEqual([price(), told], ['default', []]);
  await until('the fetched price', () => (game.flags.apply(), price() === '$1.99'));
  await until('the event', () => told.length);
  for (let n = 0; n < 3; n += 1) game.flags.apply();
  await new Promise(setImmediate);
  assert.equal(told.length, 1, 'where nothing waits nothing happens');
  // Both have the reason; one of them the server knows.
  assert.deepEqual([game.flags.reason('price'), game.flags.variant('price')], ['DEFAULT', 'control']);
  assert.deepEqual([game.flags.reason('prize'), game.flags.variant('prize')], ['DEFAULT', undefined]);
});

test('a listener that throws does not stop the others', async (t) => {
  const lines = [];
  const game = await client(t, { log: (level, line) => lines.push([level, line]) });
  game.on('flagsChanged', () => {
    throw new Error('the game has a bug');
  });
  await next(game, 'flagsChanged');
  assert.ok(lines.some(([level, line]) => level === 'error' && line.includes('the game has a bug')));
});

test('events come as a stream, too', async (t) => {
  const game = await client(t);
  const seen = [];
  const read = async () => {
    for await (const event of game.events()) {
      seen.push(event.kind);
      if (event.kind === 'stateChanged' && event.state === 'online') break;
    }
  };
  await within('online in the stream', read(), () => seen);
  assert.ok(seen.includes('stateChanged'));
  const stream = game.events();
  const rest = (async () => {
    const kinds = [];
    for await (const event of stream) kinds.push(event.kind);
    return kinds;
  })();
  await game.close();
  assert.deepEqual((await rest).filter((kind) => kind !== 'stateChanged' && kind !== 'flagsChanged'), []);
});

test('what is open at the close is answered, and after it nothing comes', async (t) => {
  const game = await client(t, { url: 'http://127.0.0.1:9' });
  const request = game.request('game', 'x', {});
  const ready = game.offers.ready('level_completed');
  const join = game.rooms.join('dice');
  const answers = Promise.allSettled([request, ready, join]);
  await game.close();
  const [first, second, third] = await answers;
  assert.equal(first.reason.code, 'CLOSED');
  assert.equal(second.value, null);
  assert.equal(third.reason.code, 'CLOSED');
  let told = 0;
  game.on('stateChanged', () => told++);
  assert.equal(await game.offers.ready('level_completed'), null);
  await assert.rejects(game.request('game', 'x', {}), { code: 'CLOSED' });
  assert.throws(() => game.track('x'), { code: 'CLOSED' });
  assert.throws(() => game.reconnect(), { code: 'CLOSED' });
  game.lifecycle('foreground');
  await game.close();
  assert.equal(game.state, 'closed');
  assert.equal(told, 0);
});

test('a provider that fails is asked again, one at a time', async (t) => {
  let asked = 0;
  let open = 0;
  const token = async () => {
    assert.equal(++open, 1);
    await new Promise((resolve) => setImmediate(resolve));
    open--;
    if (++asked < 3) throw new Error('no token yet');
    return server.token('patient');
  };
  const game = await client(t, { token });
  await next(game, 'stateChanged', ({ state }) => state === 'online');
  assert.equal(asked, 3);
});

test('64 requests may be open', async (t) => {
  const game = await client(t, { url: 'http://127.0.0.1:9' });
  const open = Array.from({ length: 64 }, () => game.request('game', 'x', {}).catch((error) => error.code));
  await assert.rejects(game.request('game', 'x', {}), { code: 'FULL' });
  await game.close();
  assert.deepEqual(new Set(await Promise.all(open)), new Set(['CLOSED']));
});

test('what an earlier run was told is there before the network', async (t) => {
  const items = new Map();
  const storage = { getItem: (key) => items.get(key) ?? null, setItem: (key, text) => items.set(key, text), removeItem: (key) => items.delete(key) };
  const first = await client(t, { storage, token: () => server.token('returning') });
  await next(first, 'flagsChanged');
  await first.close();
  const offline = await client(t, { storage, token: () => Promise.reject(new Error('no network')) });
  assert.equal(offline.flags.string('price', 'default'), '$1.99');
  assert.equal(offline.flags.reason('price'), 'CACHED');
  await offline.close();
});

test('storage that throws costs the memory and nothing else', async (t) => {
  const denied = () => {
    throw new Error('quota');
  };
  const game = await client(t, { storage: { getItem: denied, setItem: denied, removeItem: denied } });
  await next(game, 'flagsChanged');
  const offer = await game.offers.ready('level_completed', { leaseMs: 60_000 });
  assert.equal(offer?.offerId, 'starter');
});

test('a slow reader of the stream loses the oldest events, and is told', async (t) => {
  const chatty = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  t.after(() => (chatty.clients.forEach((socket) => socket.terminate()), chatty.close()));
  chatty.on('connection', (socket) => {
    const say = (channel, type, payload) => socket.send(JSON.stringify({ channel, type, payload, timestamp: 1 }));
    socket.once('message', () => {
      say('system', 'connected', { connectionId: 'c', serverTime: Date.now() });
      say('system', 'authenticated', { userId: 'p', sessionId: 's' });
      for (let n = 1; n <= 300; n++) say('game', 'news', { n });
    });
  });
  await new Promise((resolve) => chatty.once('listening', resolve));
  const game = await client(t, { url: `http://127.0.0.1:${chatty.address().port}`, token: 'a.b.c' });
  const stream = game.events();
  await next(game, 'message', ({ payload }) => payload.n === 300);
  await game.close();
  const events = [];
  for await (const event of stream) events.push(event);
  assert.equal(events.length, 257);
  assert.deepEqual([events[0].kind, events[0].what], ['dropped', 'events']);
  // What the socket brings in one go is bounded before it gets here, and told in its place: every message is counted once.
  const lost = events.filter(({ kind }) => kind === 'dropped').reduce((sum, { count }) => sum + count, 0);
  const seen = events.filter(({ kind }) => kind === 'message').length;
  assert.ok(lost >= 40 && seen + lost >= 300, `${seen} ${lost}`);
});

test('a defect of the module leaves an inert client', async (t) => {
  const lines = [];
  const game = await client(t, { log: (level, line) => lines.push(`${level} ${line}`) });
  await next(game, 'flagsChanged');
  const request = game.request('game', 'x', {}).catch((error) => error.code);
  const ready = game.offers.ready('level_completed');
  const failed = next(game, 'stateChanged', ({ state }) => state === 'failed');
  // The module asks for the time in every call: what is thrown there ends it as a trap does.
  const own = Object.getOwnPropertyDescriptor(performance, 'now');
  Object.defineProperty(performance, 'now', {
    configurable: true,
    value: () => {
      throw new WebAssembly.RuntimeError('unreachable');
    },
  });
  try {
    game.track('x');
  } finally {
    if (own) Object.defineProperty(performance, 'now', own);
    else delete performance.now;
  }
  assert.equal((await failed).cause, 'unsupported');
  assert.deepEqual([game.state, await request, await ready], ['failed', 'NOT_SENT', null]);
  assert.ok(lines.some((line) => line.startsWith('error internal error')));
  game.track('y');
  assert.equal(await game.offers.ready('level_completed'), null);
  await assert.rejects(game.request('game', 'x', {}), { code: 'NOT_SENT' });
  assert.equal(typeof game.flags.string('price', 'd'), 'string');
  await game.close();
  assert.equal(game.state, 'closed');
});

test('what is loaded can be known', () => {
  assert.match(version, /^\d+\.\d+\.\d+$/);
  assert.match(wasmSha256, /^[0-9a-f]{64}$/);
});

// `castline/telegram` in Node.js, with a stand-in for Telegram's object, against the real server, which knows the bot that signs here.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, beforeEach } from 'node:test';
import { WebSocket } from 'ws';
import { connectTelegram, mockTelegram, payOffer, qaOverride, webApp } from '../dist/telegram.js';
import { is, next, reaches, test } from './patience.mjs';
import { cable, startServer } from './server.mjs';

globalThis.WebSocket ??= WebSocket;
const warned = [];
console.warn = (line) => warned.push(line);

const BOT_TOKEN = '123456:a-token-of-no-bot-at-all';

/** What Telegram would say of a player who opened the app `ageS` seconds ago. */
function initData(player, ageS = 0, more = {}) {
  const hmac = (key, text) => createHmac('sha256', key).update(text).digest();
  const said = { auth_date: `${Math.floor(Date.now() / 1_000) - ageS}`, user: JSON.stringify({ id: player, first_name: 'Ann' }), ...more };
  const lines = Object.entries(said).map(([name, value]) => `${name}=${value}`).sort().join('\n');
  const hash = hmac(hmac('WebAppData', BOT_TOKEN), lines).toString('hex');
  return `${new URLSearchParams({ ...said, hash })}`;
}

let server;
let players = 700;
/** `{path, authorization}` of what was fetched since the test began. */
const asked = [];
const logins = () => asked.filter(({ path }) => path === '/auth/telegram');
before(async () => {
  server = await startServer({ env: { CASTLINE_TELEGRAM_BOT_TOKEN: BOT_TOKEN } });
  await server.offer('starter');
  await server.operate('PUT', '/admin/flags/boat', {
    variants: { control: 'raft', tester: 'yacht' },
    defaultVariant: 'control',
    rules: [{ when: { 'attr.qa': ['boat'] }, variant: 'tester' }],
  });
  const { fetch } = globalThis;
  globalThis.fetch = (url, init) => {
    asked.push({ path: new URL(url).pathname, authorization: init?.headers?.authorization });
    return fetch(url, init);
  };
});
after(() => server.stop());
beforeEach(() => {
  delete globalThis.Telegram;
  asked.length = 0;
});

const options = (more = {}) => ({ url: server.url, build: '1.0.0', storage: 'memory', log: () => {}, ...more });

/** A client of a player of his own, closed at the test's end. */
async function start(t, more, word = initData(++players)) {
  const mock = mockTelegram(word, more?.start);
  const client = await connectTelegram(options(more?.options));
  t.after(() => client.close());
  return { client, mock, word };
}

test('outside Telegram it is refused, and a mock says what it is', async () => {
  await assert.rejects(connectTelegram(options()), { code: 'INVALID_ARGUMENT', message: /does not run in Telegram/ });
  mockTelegram('query_id=1&hash=2');
  assert.ok(warned.some((line) => line.includes('MOCK')));
  assert.equal(webApp().initData, 'query_id=1&hash=2');
  assert.throws(() => mockTelegram('x=1'), /needs no mock/);
});

test('the raw word becomes a token, an offer and an outcome', async (t) => {
  const { client, word } = await start(t);
  await reaches(client, 'online');
  assert.deepEqual(logins(), [{ path: '/auth/telegram', authorization: `tma ${word}` }], 'one login for socket and flags');
  const offer = await client.offers.ready('level_completed', { leaseMs: 60_000 });
  assert.equal(offer?.offerId, 'starter');
  assert.equal(await payOffer(client, offer.offerId, 'https://t.me/$invoice'), 'paid');
  assert.equal(await client.offers.ready('level_completed', { leaseMs: 1_000 }), null);
});

test('a tester’s link reaches a flag’s rule, and the game’s own attributes do not put it out', async (t) => {
  const { client } = await start(t, { start: 'qa-boat' });
  assert.equal(qaOverride(), 'boat');
  await next(client, 'flagsChanged');
  assert.equal(client.flags.string('boat', 'none'), 'yacht');
  assert.equal(client.flags.reason('boat'), 'TARGETING_MATCH');
  client.flags.setAttributes({ tier: 'gold' });
  // Socket and flags go their own ways: it may be online before.
  await is(client, 'online');
  assert.equal(client.flags.string('boat', 'none'), 'yacht');

  delete globalThis.Telegram;
  const { client: player } = await start(t, { start: 'spring' });
  assert.equal(qaOverride(), undefined);
  await next(player, 'flagsChanged');
  assert.equal(player.flags.string('boat', 'none'), 'raft');
});

test('a token that is used up is fetched anew, once', async (t) => {
  const wire = await cable(server.url);
  t.after(() => wire.stop());
  const { client, word } = await start(t, { options: { url: wire.url } });
  await Promise.all([reaches(client, 'online'), next(client, 'flagsChanged')]);
  assert.equal(logins().length, 1);
  wire.cut();
  await reaches(client, 'waiting');
  wire.mend();
  client.reconnect();
  await reaches(client, 'online');
  assert.equal(logins().length, 1, 'it was good still');

  // Ten minutes go by; a token lasts for five.
  const [wall, mono] = [Date.now, performance.now];
  Date.now = () => wall() + 600_000;
  performance.now = () => mono.call(performance) + 600_000;
  t.after(() => {
    Date.now = wall;
    delete performance.now;
  });
  wire.cut();
  await reaches(client, 'waiting');
  wire.mend();
  asked.length = 0;
  // Everything at once that wants a token: the socket, the flags, a request that was open, and the player's impatience.
  const back = reaches(client, 'online');
  client.flags.setAttributes({ tier: 'gold' });
  const request = client.request('game', 'nobody_knows', {}).catch(({ code }) => code);
  client.reconnect();
  client.reconnect();
  await back;
  assert.equal(await request, 'UNKNOWN_MESSAGE_TYPE');
  assert.deepEqual(logins(), [{ path: '/auth/telegram', authorization: `tma ${word}` }]);
});

for (const [name, word] of Object.entries({
  'is a day old': () => initData(1, 86_500),
  'was written by somebody else': () => initData(1).replace(/hash=./, (hash) => (hash === 'hash=0' ? 'hash=1' : 'hash=0')),
})) {
  test(`a word that ${name} fails for auth, and is not sent again`, async (t) => {
    const { client } = await start(t, undefined, word());
    const { cause } = await reaches(client, 'failed');
    assert.equal(cause, 'auth');
    assert.equal(client.state, 'failed');
    assert.equal(logins().length, 1);
    assert.equal(await client.offers.ready('level_completed', { leaseMs: 1_000 }), null);
  });
}

test('what Telegram says of the app is told to the core', async (t) => {
  const { client, mock } = await start(t);
  await reaches(client, 'online');
  mock.fire('deactivated');
  assert.equal(client.state, 'online', 'there is a grace');
  mock.fire('activated');
  await client.close();
  // Nothing is heard any more.
  mock.fire('deactivated');
  assert.equal(client.state, 'closed');
});

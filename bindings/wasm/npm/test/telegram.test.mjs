// `castline/telegram` in Node.js, with a stand-in for Telegram's object.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { WebSocket } from 'ws';
import { connectTelegram, mockTelegram, payOffer, qaOverride, webApp } from '../dist/telegram.js';
import { startServer } from './server.mjs';

globalThis.WebSocket ??= WebSocket;
const warned = [];
console.warn = (line) => warned.push(line);

let server;
let front;
let url;
const asked = [];
before(async () => {
  server = await startServer();
  await server.offer('starter');
  // Only the bot's own server can check Telegram's word; this one takes it, and hands the rest on.
  front = createServer(async (request, response) => {
    asked.push({ path: request.url, authorization: request.headers.authorization });
    const answer = (status, body) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (request.url === '/auth/telegram') return answer(200, { token: await server.token('tg_1'), expiresAt: 0 });
    return answer(404, {});
  });
  front.on('upgrade', (request, socket, head) => {
    const to = new URL(server.url);
    import('node:net').then(({ connect }) => {
      const far = connect(Number(to.port), to.hostname, () => {
        far.write(`GET /ws HTTP/1.1\r\n${request.rawHeaders.reduce((out, part, at) => out + (at % 2 ? `: ${part}\r\n` : part), '')}\r\n`);
        far.write(head);
        far.pipe(socket).pipe(far);
      });
      for (const end of [far, socket]) end.on('error', () => (far.destroy(), socket.destroy()));
    });
  });
  await new Promise((resolve) => front.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${front.address().port}`;
});
after(async () => {
  front.closeAllConnections();
  front.close();
  await server.stop();
});
beforeEach(() => {
  delete globalThis.Telegram;
  asked.length = 0;
});

const options = () => ({ url, build: '1.0.0', storage: 'memory', log: () => {} });
const online = (client) => new Promise((resolve) => client.on('stateChanged', ({ state }) => state === 'online' && resolve()));

test('outside Telegram it is refused, and a mock says what it is', async () => {
  await assert.rejects(connectTelegram(options()), { code: 'INVALID_ARGUMENT', message: /does not run in Telegram/ });
  mockTelegram('query_id=1&hash=2');
  assert.ok(warned.some((line) => line.includes('MOCK')));
  assert.equal(webApp().initData, 'query_id=1&hash=2');
  assert.throws(() => mockTelegram('x=1'), /needs no mock/);
});

test('the raw word becomes a token, an offer and an outcome', async (t) => {
  mockTelegram('query_id=1&hash=2', 'qa-boat');
  assert.equal(qaOverride(), 'boat');
  const client = await connectTelegram(options());
  t.after(() => client.close());
  await online(client);
  const logins = asked.filter(({ path }) => path === '/auth/telegram');
  assert.deepEqual(logins, [{ path: '/auth/telegram', authorization: 'tma query_id=1&hash=2' }]);
  assert.ok(asked.some(({ path }) => path.startsWith('/flags?') && path.includes('attr.qa=boat')), 'the start parameter');
  client.flags.setAttributes({ tier: 'gold' });
  const offer = await client.offers.ready('level_completed', { leaseMs: 5_000 });
  assert.equal(offer.offerId, 'starter');
  assert.equal(await payOffer(client, offer.offerId, 'https://t.me/$invoice'), 'paid');
  const { offers } = client;
  assert.equal(await offers.ready('level_completed', { leaseMs: 1_000 }), null);
});

test('what Telegram says of the app is told to the core', async (t) => {
  const { fire } = mockTelegram('query_id=1&hash=2');
  const client = await connectTelegram(options());
  t.after(() => client.close());
  await online(client);
  fire('deactivated');
  assert.equal(client.state, 'online', 'there is a grace');
  fire('activated');
  await client.close();
  // Nothing is heard any more.
  fire('deactivated');
  assert.equal(client.state, 'closed');
});

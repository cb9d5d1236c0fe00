// What comes from outside and makes no sense: a server that says HTML, binary or far too much, by socket and by HTTP; and a real one that does
// not know rooms and bets. The client ends in a state that it names, tells its log why, and can be closed; the getters go on.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { connect } from '../dist/index.js';
import { next, reaches, test, until } from './patience.mjs';
import { startServer } from './server.mjs';

globalThis.WebSocket ??= WebSocket;

/** A server whose first word on a socket is `greet(ws)`, once it has been spoken to, and that answers HTTP with `answer`. */
async function strange(t, greet, answer = { status: 404 }) {
  const http = createServer((_, response) => response.writeHead(answer.status ?? 200, answer.headers).end(answer.body));
  let sockets = 0;
  const codes = [];
  const ws = new WebSocketServer({ server: http });
  ws.on('connection', (socket) => {
    sockets++;
    socket.on('error', () => {});
    socket.on('close', (code) => codes.push(code));
    socket.once('message', () => greet?.(socket));
  });
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of ws.clients) socket.terminate();
    http.closeAllConnections();
    return new Promise((resolve) => http.close(resolve));
  });
  return { url: `http://127.0.0.1:${http.address().port}`, codes, sockets: () => sockets };
}

async function meet(t, url) {
  const lines = [];
  const client = await connect({ url, build: '1', storage: 'memory', token: 'a.b.c', log: (level, line) => lines.push(`${level} ${line}`) });
  t.after(() => client.close());
  return { client, lines };
}

const say = (socket, channel, type, payload, more = {}) => socket.send(JSON.stringify({ channel, type, payload, timestamp: Date.now(), ...more }));
const welcome = (socket) => {
  say(socket, 'system', 'connected', { connectionId: 'c', serverTime: Date.now() });
  say(socket, 'system', 'authenticated', { userId: 'p', sessionId: 's', resumed: false });
};

// What ends the connection, with the code that says why.
for (const [name, greet, code] of [
  ['binary', (socket) => socket.send(Buffer.from([1, 2, 3])), 1003],
  ['100 KB', (socket) => say(socket, 'game', 'x', { a: 'x'.repeat(100_000) }), 1009],
  ['an end without a reason', (socket) => socket.close(1011), 1011],
]) {
  test(`a server that says ${name} is left, and tried again later`, async (t) => {
    const server = await strange(t, greet);
    const { client } = await meet(t, server.url);
    const told = await reaches(client, 'waiting');
    assert.equal(told.code, code);
    assert.ok(told.retryInMs > 0, 'not at once');
    assert.equal(client.flags.string('price', 'd'), 'd');
    await client.close();
    assert.equal(client.state, 'closed');
    assert.equal(server.sockets(), 1);
  });
}

test('a server that ends with a code of its own making is given up, with the code', async (t) => {
  const server = await strange(t, (socket) => socket.close(4999, 'go away'));
  const { client } = await meet(t, server.url);
  const { cause, code } = await reaches(client, 'failed');
  assert.deepEqual([cause, code], ['server', 4999]);
  assert.equal(await client.offers.ready('level_completed', { leaseMs: 1_000 }), null);
});

// What is passed over: the player stays online, and the log knows.
for (const [name, text] of Object.entries({
  'HTML': '<!doctype html><title>Log in</title>',
  'half a message': '{"channel":"game","type":"x","payload":{',
  'no object': '[1,2,3]',
  'a word of another type': JSON.stringify({ channel: 7, type: {}, payload: 'x', timestamp: 'now' }),
  'a depth without end': `{"channel":"game","type":"x","timestamp":1,"payload":${'['.repeat(5_000)}${']'.repeat(5_000)}}`,
  'a number beyond all numbers': '{"channel":"game","type":"x","timestamp":1e999,"payload":{}}',
})) {
  test(`a server that says ${name} between good words`, async (t) => {
    const server = await strange(t, (socket) => {
      welcome(socket);
      socket.send(text);
      say(socket, 'game', 'news', { n: 1 });
    });
    const { client, lines } = await meet(t, server.url);
    const { payload } = await next(client, 'message', ({ type }) => type === 'news');
    assert.deepEqual(payload, { n: 1 });
    assert.equal(client.state, 'online');
    assert.ok(lines.some((line) => line.includes('ignored what the server sent')), lines.join('\n'));
    assert.ok(lines.every((line) => line.length < 1_000), 'the log is not the place for it');
  });
}

for (const [name, answer] of Object.entries({
  'HTML': { headers: { 'content-type': 'text/html' }, body: '<html>Log in</html>' },
  'binary': { body: Buffer.from([0xff, 0xfe, 0, 1]) },
  'flags of 100 KB': { body: JSON.stringify({ version: 'v1', flags: { price: { value: 'x'.repeat(100_000) } } }) },
  'an error': { status: 500, body: '{"error": 1}' },
  'another address': { status: 302, headers: { location: 'http://127.0.0.1:9/flags' } },
})) {
  test(`flags that are ${name} are no flags, and the connection lives`, async (t) => {
    const server = await strange(t, welcome, answer);
    const { client, lines } = await meet(t, server.url);
    await reaches(client, 'online');
    await until('the log’s word on the flags', () => lines.some((line) => line.includes('flags')));
    assert.deepEqual([client.flags.string('price', 'd'), client.flags.reason('price')], ['d', 'DEFAULT']);
    assert.equal(client.state, 'online');
  });
}

test('a token provider that gives nonsense is named in the log, and asked again', async (t) => {
  const server = await strange(t, welcome);
  const answers = [() => 7, () => undefined, () => '', () => 'with space', () => 'x'.repeat(5_000), () => Promise.reject(7), () => 'a.b.c'];
  const lines = [];
  const log = (level, line) => lines.push(`${level} ${line}`);
  const client = await connect({ url: server.url, build: '1', storage: 'memory', token: async () => answers.shift()?.(), log });
  t.after(() => client.close());
  const online = reaches(client, 'online');
  // A back-off lies between two tries; the player has no patience.
  const hurry = setInterval(() => client.reconnect(), 20);
  await online.finally(() => clearInterval(hurry));
  assert.equal(answers.length, 0);
  assert.ok(lines.some((line) => line.startsWith('error the token provider gave no string')));
  assert.ok(lines.some((line) => line.startsWith('warn the token provider failed: 7')));
  assert.ok(!lines.some((line) => line.includes('with space') || line.includes('xxxx')), 'a token is in no log');
});

// ---- the real server, which has neither rooms nor bets ----

let server;
before(async () => (server = await startServer()));
after(() => server.stop());

test('rooms and bets are refused by name where the server has none', async (t) => {
  const client = await connect({ url: server.url, build: '1', storage: 'memory', token: () => server.token('gambler'), log: () => {} });
  t.after(() => client.close());
  await reaches(client, 'online');
  const code = (promise) => promise.then(() => 'none', (error) => error.code);
  const changes = [];
  client.on('roomChanged', ({ gameId, change, code: why }) => changes.push([gameId, change, why]));
  assert.equal(await code(client.rooms.join('dice')), 'UNKNOWN_MESSAGE_TYPE');
  assert.deepEqual(changes, [['dice', 'join-failed', 'UNKNOWN_MESSAGE_TYPE']]);
  client.rooms.leave('dice');
  assert.equal(await code(client.bets.place({ gameId: 'dice', amount: 1, selection: { under: 50 } })), 'UNKNOWN_MESSAGE_TYPE');
  assert.equal(await code(client.request('game', 'nobody_knows', {})), 'UNKNOWN_MESSAGE_TYPE');
  assert.equal(await code(client.request('social', 'chat', { gameId: 'dice', text: 'hello' })), 'UNKNOWN_MESSAGE_TYPE');
  client.send('game', 'nobody_knows', {});
  client.rooms.send('dice', 'wave', {});
  // Nothing of it has hurt the connection.
  assert.equal(await client.offers.ready('level_completed', { leaseMs: 1_000 }), null);
  assert.equal(client.state, 'online');
});

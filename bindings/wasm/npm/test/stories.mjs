// What every browser must let a game do: the same stories for each of them, told by `chromium.test.mjs`, `firefox.test.mjs` and
// `webkit.test.mjs`. These are of the module, the network and the storage; `life.mjs` tells of the page's life.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { WebSocketServer } from 'ws';
import { servePackage } from './page.mjs';
import { test } from './patience.mjs';
import { cable } from './server.mjs';
import { flag, loaded, offer, reaches, warnings } from './stage.mjs';
import { passIn } from './vector-files.mjs';

const MODULE = readFileSync(new URL('../dist/castline_bg.wasm', import.meta.url));

export function tellStories(stage) {
  test('the shared vectors', async (t) => passIn(await stage.open(t)));

  test('the first offer, under a strict policy, and the end', async (t) => {
    const page = await stage.open(t);
    const seen = await page.evaluate(async (url) => {
      const { next } = window;
      const client = await window.play(url, 'first');
      const before = client.flags.string('price', '$4.99');
      await next(client, 'flagsChanged');
      const { offerId } = await client.offers.ready('level_completed', { leaseMs: 60_000 });
      client.offers.result(offerId, 'accepted');
      client.track('sold', { price: client.flags.string('price', '') });
      const open = client.request('game', 'nobody_answers', {}).catch(({ code }) => code);
      await client.close();
      let late = 0;
      client.on('stateChanged', () => late++);
      return { before, after: client.flags.string('price', '$4.99'), reason: client.flags.reason('price'), offerId, open: await open, state: client.state, late };
    }, stage.server.url);
    const { open: answer, ...rest } = seen;
    assert.deepEqual(rest, { before: '$4.99', after: '$1.99', reason: 'DEFAULT', offerId: 'starter', state: 'closed', late: 0 });
    // Its answer may have come before the end.
    assert.match(answer, /^(CLOSED|UNKNOWN_MESSAGE_TYPE)$/);
    await stage.said('first', 'sold');
    const { sessions, offers } = await stage.server.operate('GET', '/admin/players/first');
    assert.deepEqual(offers.map(({ outcome }) => outcome), ['accepted']);
    assert.equal(sessions.length, 1);
  });

  test('a cut network comes back, and a start without one has the last run’s flags', async (t) => {
    const wire = await cable(stage.server.url);
    t.after(() => wire.stop());
    const page = await stage.open(t, stage.loose.url);
    const options = { url: wire.url, playerId: 'lifted' };
    await stage.play(page, 'lifted', options);
    await page.evaluate(async () => void (await window.next(window.client, 'flagsChanged')));
    await reaches(page, 'online');
    wire.cut();
    await reaches(page, 'waiting');
    assert.equal((await flag(page))[0], '$1.99', 'read all the same');
    wire.mend();
    await page.evaluate(() => window.client.reconnect());
    await reaches(page, 'online');
    await page.evaluate(() => window.client.close());

    wire.cut();
    await page.reload();
    await loaded(page);
    await stage.play(page, 'lifted', options);
    const [price, reason] = await flag(page);
    assert.equal(price, '$1.99');
    assert.match(reason, /^(CACHED|STALE)$/, 'the fetch may have failed already');
    assert.equal(await offer(page, 1_000), null);
    wire.mend();
    await page.evaluate(() => window.client.reconnect());
    await reaches(page, 'online');
  });

  test('where the browser denies storage the game goes on without', async (t) => {
    // A document that its policy puts in a sandbox has no origin, and with it no storage.
    const headers = { 'content-security-policy': 'sandbox allow-scripts', 'access-control-allow-origin': '*' };
    const box = await servePackage(() => ({ headers }));
    t.after(() => box.stop());
    const page = await stage.open(t, box.url);
    const denied = await page.evaluate(() => {
      try {
        return `${window.localStorage}`;
      } catch ({ name }) {
        return name;
      }
    });
    assert.equal(denied, 'SecurityError', 'it is denied');
    await stage.play(page, 'sandboxed');
    assert.equal(await offer(page), 'starter');
    assert.ok((await warnings(page)).some((line) => line.startsWith('warn localStorage is denied')));
  });

  test('a browser that takes long to say whom the storage belongs to costs no memory', async (t) => {
    const page = await stage.open(t);
    await page.evaluate(() => {
      const { request } = LockManager.prototype;
      LockManager.prototype.request = async function (...how) {
        await new Promise((resolve) => setTimeout(resolve, 600));
        return request.apply(this, how);
      };
    });
    await stage.play(page, 'patient');
    await reaches(page, 'online');
    assert.deepEqual(await warnings(page), []);
  });

  test('where storage is full the game goes on', async (t) => {
    const page = await stage.open(t);
    await page.evaluate(() => {
      Storage.prototype.setItem = () => {
        throw new DOMException('full', 'QuotaExceededError');
      };
    });
    await stage.play(page, 'hoarder');
    assert.equal(await offer(page), 'starter');
  });

  const INERT = {
    failed: ['failed', 'unsupported'],
    state: 'failed',
    flag: ['d', 'DEFAULT'],
    offer: null,
    request: 'NOT_SENT',
    bet: 'NOT_SENT',
    closed: 'closed',
  };
  for (const [name, answer] of Object.entries({
    'is missing': (path) => (path.endsWith('.wasm') ? { status: 404, body: 'not here' } : undefined),
    'is a page for people': (path) => (path.endsWith('.wasm') ? { headers: { 'content-type': 'text/html' }, body: '<html>' } : undefined),
    'is cut short': (path) => (path.endsWith('.wasm') ? { body: MODULE.subarray(0, MODULE.length / 2) } : undefined),
    'is another one': (path) => (path.endsWith('.wasm') ? { body: MODULE.subarray(0, 8) } : undefined),
    'is forbidden by the policy': () => ({ headers: { 'content-security-policy': "script-src 'self'" } }),
  })) {
    test(`where the module ${name} the client is inert`, async (t) => {
      const broken = await servePackage(answer);
      t.after(() => broken.stop());
      const page = await stage.open(t, broken.url);
      const seen = await page.evaluate(async (url) => {
        const client = await window.start({ url, token: 'a.b.c' });
        const { state, cause } = await window.next(client, 'stateChanged');
        const code = (promise) => promise.then(() => 'none', (error) => error.code);
        client.track('x', { a: 1 });
        const rest = {
          failed: [state, cause],
          state: client.state,
          flag: [client.flags.string('price', 'd'), client.flags.reason('price')],
          offer: await client.offers.ready('level_completed'),
          request: await code(client.request('game', 'x', {})),
          bet: await code(client.bets.place({ gameId: 'dice', amount: 1, selection: 1 })),
        };
        await client.close();
        return { ...rest, closed: client.state };
      }, stage.server.url);
      assert.deepEqual(seen, INERT);
    });
  }

  test('the module comes as bytes, as a URL, as a response and compiled', async (t) => {
    const page = await stage.open(t);
    const loaded = await page.evaluate(async () => {
      const address = new URL('/dist/castline_bg.wasm', location.href);
      const bytes = await (await fetch(address)).arrayBuffer();
      const sources = { bytes, view: new Uint8Array(bytes), url: address, text: `${address}`, response: fetch(address), module: WebAssembly.compile(bytes) };
      const done = [];
      for (const [name, wasm] of Object.entries(sources)) {
        // A module of its own each time.
        const { init } = await import(`/dist/index.js?${name}`);
        await init({ wasm });
        await init();
        done.push(name);
      }
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
      const hash = [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
      return { done: done.length, known: hash === window.castline.wasmSha256 };
    });
    assert.deepEqual(loaded, { done: 6, known: true });
  });

  // Node.js sees the rest of it, in `hostile.test.mjs`: here it is the browser's own socket, and the codes that it tells.
  test('a server that makes no sense, or ends with a code, leaves a client that knows it', async (t) => {
    const page = await stage.open(t, stage.loose.url);
    const words = {
      1003: (socket) => socket.send(Buffer.from([1, 2, 3])),
      1009: (socket) => socket.send(JSON.stringify({ channel: 'game', type: 'x', payload: { a: 'x'.repeat(100_000) } })),
      1011: (socket) => socket.close(1011, 'out of order'),
      1006: (socket) => socket.terminate(),
      4999: (socket) => socket.close(4999, 'go away'),
    };
    for (const [code, greet] of Object.entries(words)) {
      const strange = new WebSocketServer({ port: 0, host: '127.0.0.1' });
      t.after(() => (strange.clients.forEach((socket) => socket.terminate()), strange.close()));
      strange.on('connection', (socket) => greet(socket.on('error', () => {})));
      await new Promise((resolve) => strange.once('listening', resolve));
      const seen = await page.evaluate(async (url) => {
        const client = await window.start({ url, token: 'a.b.c', storage: 'memory' });
        const told = await window.next(client, 'stateChanged', ({ state: is, code: why }) => (is === 'waiting' || is === 'failed') && why);
        const flag = client.flags.string('price', 'd');
        await client.close();
        return { state: told.state, code: told.code, flag, closed: client.state };
      }, `http://127.0.0.1:${strange.address().port}`);
      assert.deepEqual(seen, { state: code === '4999' ? 'failed' : 'waiting', code: Number(code), flag: 'd', closed: 'closed' });
    }
  });
}

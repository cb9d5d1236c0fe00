// In Chromium, under a strict policy, against the real server. What is particular to a browser is here; the rest is in `node.test.mjs`.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test as nodeTest } from 'node:test';
import { WebSocketServer } from 'ws';
import { cable, startServer } from './server.mjs';
import { CSP, servePackage, startChromium } from './page.mjs';
import { passIn } from './vector-files.mjs';

/** Each has its own bound, so that one that hangs is named. */
const test = (name, run) => nodeTest(name, { timeout: 20_000 }, run);

let server;
let site;
let browser;
let players = 0;
before(async () => {
  [server, browser] = await Promise.all([startServer(), startChromium()]);
  site = await servePackage(() => ({ headers: { 'content-security-policy': CSP(server.url) } }));
  await server.offer('starter');
  await server.flag('price', '$1.99');
});
after(() => Promise.all([server?.stop(), site?.stop(), browser?.close()]));

/** A page in a profile of its own, closed at the test's end. What it throws fails the test. */
async function open(t, { url = site.url, context, prepare } = {}) {
  const own = context ?? (await browser.newContext());
  if (!context) t.after(() => own.close());
  const page = await own.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error));
  t.after(() => assert.deepEqual(errors, []));
  if (prepare) await page.addInitScript(prepare);
  await page.goto(url);
  await page.waitForFunction(() => window.ready);
  return page;
}

/** Starts a client of a player in the page; the provider asks the real server. */
async function start(page, player = `b${++players}`, more = {}) {
  await page.evaluate(async ([url, id, options]) => void (await window.play(url, id, options)), [server.url, player, more]);
  return player;
}

const state = (page, wanted) => page.waitForFunction((to) => window.client.state === to, wanted, { polling: 20, timeout: 15_000 });

test('the first offer, under a strict policy', async (t) => {
  const page = await open(t);
  const seen = await page.evaluate(async ([url, player]) => {
    const { next } = window;
    const client = await window.play(url, player);
    const before = client.flags.string('price', '$4.99');
    await next(client, 'flagsChanged');
    const offer = await client.offers.ready('level_completed', { leaseMs: 5_000 });
    client.offers.result(offer.offerId, 'shown');
    return { before, after: client.flags.string('price', '$4.99'), reason: client.flags.reason('price'), offer, state: client.state };
  }, [server.url, `b${++players}`]);
  assert.equal(seen.before, '$4.99');
  assert.equal(seen.after, '$1.99');
  assert.equal(seen.reason, 'DEFAULT');
  assert.equal(seen.offer.offerId, 'starter');
  assert.equal(seen.state, 'online');
});

test('the shared vectors', async (t) => passIn(await open(t)));

test('a cut network comes back, and a start without one has the last run’s flags', async (t) => {
  const wire = await cable(server.url);
  t.after(() => wire.stop());
  const loose = await servePackage();
  t.after(() => loose.stop());
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await open(t, { context, url: loose.url });
  const player = await start(page, undefined, { url: wire.url });
  await page.evaluate(() => window.next(window.client, 'flagsChanged'));
  await state(page, 'online');

  // The browser tells the page of it, and leaves open sockets alone, as a phone in a lift does; the cable ends those.
  await context.setOffline(true);
  wire.cut();
  await state(page, 'waiting');
  assert.equal(await page.evaluate(() => window.client.flags.string('price', 'd')), '$1.99', 'read all the same');
  wire.mend();
  await context.setOffline(false);
  await state(page, 'online');
  await page.evaluate(() => window.client.close());

  wire.cut();
  await start(page, player, { url: wire.url, playerId: player });
  const read = await page.evaluate(() => [window.client.flags.string('price', 'd'), window.client.flags.reason('price')]);
  assert.equal(read[0], '$1.99');
  assert.match(read[1], /^(CACHED|STALE)$/, 'the fetch may have failed already');
  const offer = page.evaluate(() => window.client.offers.ready('level_completed', { leaseMs: 1_000 }));
  assert.equal(await offer, null);
});

test('two tabs are two devices, and one has the offer', async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const [first, second] = [await open(t, { context }), await open(t, { context })];
  const player = await start(first);
  await state(first, 'online');
  await start(second, player);
  await state(second, 'online');
  const ready = (page) => page.evaluate(() => window.client.offers.ready('level_completed', { leaseMs: 2_000 }));
  const offers = [await ready(first), await ready(second)];
  assert.deepEqual(offers.map((offer) => offer?.offerId ?? null), ['starter', null]);
  assert.equal(await first.evaluate(() => window.client.state), 'online', 'nobody was replaced');
  await second.waitForFunction(() => Object.keys(localStorage).filter((key) => key.endsWith(':boot')).length === 1, undefined, { polling: 20 });
  assert.ok((await second.evaluate(() => window.logs)).some((line) => line.startsWith('warn another tab')));

  // The first one goes; the next start is the install's device again.
  await first.evaluate(() => window.client.close());
  await second.evaluate(() => window.client.close());
  await start(second, player);
  assert.equal((await second.evaluate(() => window.logs)).filter((line) => line.startsWith('warn another tab')).length, 1);
});

test('where storage is denied the game goes on without', async (t) => {
  const prepare = () => {
    Object.defineProperty(window, 'localStorage', {
      get() {
        throw new DOMException('denied', 'SecurityError');
      },
    });
  };
  const page = await open(t, { prepare });
  await start(page);
  const offer = await page.evaluate(() => window.client.offers.ready('level_completed', { leaseMs: 5_000 }));
  assert.equal(offer.offerId, 'starter');
  assert.ok((await page.evaluate(() => window.logs)).some((line) => line.startsWith('warn localStorage is denied')));
});

test('where storage is full the game goes on', async (t) => {
  const prepare = () => {
    Storage.prototype.setItem = () => {
      throw new DOMException('full', 'QuotaExceededError');
    };
  };
  const page = await open(t, { prepare });
  await start(page);
  assert.equal((await page.evaluate(() => window.client.offers.ready('level_completed', { leaseMs: 5_000 }))).offerId, 'starter');
});

/** What an inert client says. */
async function inert(page) {
  return page.evaluate(async (url) => {
    const client = await window.start({ url, token: 'a.b.c' });
    const failed = await window.next(client, 'stateChanged');
    const code = (promise) => promise.then(() => 'none', (error) => error.code);
    client.track('x', { a: 1 });
    const seen = {
      failed: [failed.state, failed.cause],
      state: client.state,
      flag: [client.flags.string('price', 'd'), client.flags.reason('price')],
      offer: await client.offers.ready('level_completed'),
      request: await code(client.request('game', 'x', {})),
      bet: await code(client.bets.place({ gameId: 'dice', amount: 1, selection: 1 })),
    };
    await client.close();
    return { ...seen, closed: client.state };
  }, server.url);
}

const INERT = {
  failed: ['failed', 'unsupported'],
  state: 'failed',
  flag: ['d', 'DEFAULT'],
  offer: null,
  request: 'NOT_SENT',
  bet: 'NOT_SENT',
  closed: 'closed',
};

const MODULE = readFileSync(new URL('../dist/castline_bg.wasm', import.meta.url));

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
    const page = await open(t, { url: broken.url });
    assert.deepEqual(await inert(page), INERT);
  });
}

test('the module comes as bytes, as a URL, as a response and compiled', async (t) => {
  const page = await open(t);
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

test('what a page still has to say when it goes, arrives', async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await open(t, { context });
  const player = await start(page);
  await state(page, 'online');
  const posted = context.waitForEvent('request', (request) => request.url().endsWith('/events'));
  await page.evaluate(() => {
    window.client.track('left_the_game', { level: 3 });
    window.dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }));
  });
  const request = await posted;
  assert.equal(request.headers()['content-type'], 'text/plain');
  assert.equal(request.headers()['authorization'], undefined);
  assert.match(request.postData(), /^\{"token":"[^"]+","timestamp":\d+,/);
  assert.equal((await request.response()).status(), 200);
  assert.ok(player);
  await state(page, 'dormant');
  await page.evaluate(() => window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })));
  await state(page, 'online');
});

// Node.js sees the rest of it, in `hostile.test.mjs`: here it is the browser's own socket.
test('a server that makes no sense leaves a client that waits', async (t) => {
  const loose = await servePackage();
  t.after(() => loose.stop());
  const say = { 1003: Buffer.from([1, 2, 3]), 1009: JSON.stringify({ channel: 'game', type: 'x', payload: { a: 'x'.repeat(100_000) } }) };
  for (const [code, message] of Object.entries(say)) {
    const strange = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    t.after(() => (strange.clients.forEach((socket) => socket.terminate()), strange.close()));
    strange.on('connection', (socket) => socket.on('error', () => {}).send(message));
    await new Promise((resolve) => strange.once('listening', resolve));
    const page = await open(t, { url: loose.url });
    const seen = await page.evaluate(async (url) => {
      const client = await window.start({ url, token: 'a.b.c', storage: 'memory' });
      const told = await window.next(client, 'stateChanged', ({ state: is, code: why }) => is === 'waiting' && why);
      const flag = client.flags.string('price', 'd');
      await client.close();
      return { code: told.code, flag, closed: client.state };
    }, `http://127.0.0.1:${strange.address().port}`);
    assert.deepEqual(seen, { code: Number(code), flag: 'd', closed: 'closed' });
  }
});

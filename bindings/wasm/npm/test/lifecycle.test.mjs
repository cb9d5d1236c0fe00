// A page's life in Chromium, with tabs that are really hidden, frozen, put aside and closed. Where minutes pass, the page's clock is the
// test's and so is the server; the socket between them is real.

import assert from 'node:assert/strict';
import { after, before, test as nodeTest } from 'node:test';
import { fakeClock } from './clock.mjs';
import { servePackage } from './page.mjs';
import { Peer } from './peer.mjs';
import { open, startChromium } from './puppets.mjs';
import { startServer } from './server.mjs';

const test = (name, run) => nodeTest(name, { timeout: 20_000 }, run);

let server;
let site;
let browser;
before(async () => {
  [server, site, browser] = await Promise.all([startServer(), servePackage(), startChromium()]);
  await server.offer('starter');
  await server.flag('price', '$1.99');
});
after(() => Promise.all([server?.stop(), site?.stop(), browser?.close()]));

const state = (page) => page.evaluate(() => window.client.state);
const reaches = (page, wanted) => page.evaluate((to) => window.reaches(to), wanted);

/** Another tab comes to the front, as a player brings it there; `page` is hidden until the returned function is called. */
async function hide(page) {
  const shown = (wanted) =>
    page.evaluate(
      (to) =>
        new Promise((resolve) => {
          const look = () => document.visibilityState === to && resolve();
          document.addEventListener('visibilitychange', look);
          look();
        }),
      wanted,
    );
  const other = await page.browserContext().newPage();
  await other.bringToFront();
  await shown('hidden');
  return async () => {
    await page.bringToFront();
    await shown('visible');
    await other.close();
  };
}

/** Asks until it is so; the test's own bound ends it. */
async function until(so) {
  while (!(await so())) await new Promise((resolve) => setImmediate(resolve));
}

// ---- minutes in the background, simulated ----

/** A page and a server that share the test's time; online. */
async function together(t, lifecycle, telegram = false) {
  const peer = await Peer.start();
  t.after(() => peer.stop());
  const page = await open(t, browser, site.url, fakeClock);
  await page.evaluate(async (url, how, mini) => {
    const who = { token: 'a.b.c' };
    if (mini) {
      const { connectTelegram, mockTelegram } = await import('/dist/telegram.js');
      window.telegram = mockTelegram('query_id=1&hash=2');
      Object.assign(who, { token: undefined, connect: connectTelegram });
    }
    await window.start({ url, ...who, storage: 'memory', lifecycle: how });
    window.moves = [];
    window.news = [];
    window.client.on('stateChanged', ({ state: to }) => window.moves.push(to));
    window.client.on('message', ({ payload }) => window.news.push(payload.n));
    await window.clock.advance(0);
    await window.reaches('online');
    window.moves.length = 0;
  }, peer.url, lifecycle, telegram);
  /** Both have heard what the other one said, or the socket has ended. */
  const quiet = () =>
    until(async () => {
      const traffic = await page.evaluate(() => window.traffic);
      const { open: is, sent, received } = peer.sockets.at(-1);
      return !is || (traffic.sent === received && traffic.received === sent);
    });
  /** Time goes by at both ends, in steps that a heartbeat does not notice; the page's timers run at multiples of `align`. */
  const pass = async (ms, align) => {
    const step = align === 60_000 ? 5_000 : 1_000;
    for (let left = ms; left > 0; left -= step) {
      const now = Math.min(left, step);
      await page.evaluate((by, every) => window.clock.advance(by, every), now, align);
      await peer.advance(now);
      await quiet();
    }
  };
  await quiet();
  return { page, peer, pass };
}

test('three minutes hidden with timers once a minute: manual keeps the socket', async (t) => {
  const { page, peer, pass } = await together(t, 'manual');
  const [socket] = peer.sockets;
  const show = await hide(page);
  await pass(90_000, 60_000);
  peer.say(socket, 'game', 'news', { n: 1 });
  await pass(90_000, 60_000);
  assert.ok(socket.open, `ended with ${socket.code}`);
  assert.equal(peer.sockets.length, 1);
  assert.ok(socket.types.filter((type) => type === 'ping').length >= 1, `${socket.types}`);
  await show();
  await pass(5_000);
  const seen = await page.evaluate(() => [window.client.state, window.moves, window.news, window.clock.now()]);
  assert.deepEqual(seen, ['online', [], [1], 185_000]);
  assert.equal(peer.sockets.length, 1);
});

// Chromium's timers in a hidden page come once a second, and after some minutes once a minute.
for (const [rate, align, closed] of [['second', 1_000, 15_000], ['minute', 60_000, 60_000]]) {
  test(`three minutes hidden with timers once a ${rate}: automatic closes after the grace and is back with the page`, async (t) => {
    const { page, peer, pass } = await together(t, 'automatic');
    await page.evaluate(() => window.client.track('before_hiding'));
    const show = await hide(page);
    const [socket] = peer.sockets;
    await pass(closed - 1_000, align);
    assert.ok(socket.open, 'there is a grace');
    await pass(1_000, align);
    assert.equal(await socket.closed, 1000);
    assert.deepEqual(peer.events, ['before_hiding']);
    assert.equal(await state(page), 'dormant');
    await pass(180_000 - closed, align);
    assert.equal(peer.sockets.length, 1, 'nothing connects while hidden');
    assert.deepEqual(await page.evaluate(() => window.moves), ['dormant']);

    await show();
    const back = await page.evaluate(async () => {
      const from = window.clock.now();
      // Time goes by while it connects, but no more than the second.
      await window.clock.advance(1_000);
      await window.reaches('online');
      return window.clock.now() - from;
    });
    assert.ok(back <= 1_000, `${back} ms`);
    assert.equal(peer.sockets.length, 2);
    assert.ok(peer.sockets[1].open);
  });
}

test('a short look elsewhere costs no connection', async (t) => {
  const { page, peer, pass } = await together(t, 'automatic');
  const show = await hide(page);
  await pass(10_000, 1_000);
  await show();
  await pass(60_000);
  assert.ok(peer.sockets.length === 1 && peer.sockets[0].open);
  assert.deepEqual(await page.evaluate(() => window.moves), []);
});

test('a minimised Mini App closes after the grace, though its page counts as visible, and is back at once', async (t) => {
  const { page, peer, pass } = await together(t, 'automatic', true);
  await page.evaluate(() => window.telegram.fire('deactivated'));
  await pass(14_000);
  assert.ok(peer.sockets[0].open);
  await pass(1_000);
  assert.equal(await peer.sockets[0].closed, 1000);
  await pass(60_000);
  assert.equal(peer.sockets.length, 1);
  await page.evaluate(async () => {
    window.telegram.fire('activated');
    await window.reaches('online');
  });
  assert.equal(await page.evaluate(() => document.visibilityState), 'visible');
  assert.equal(await page.evaluate(() => window.clock.now()), 75_000, 'in no time');
});

test('a frozen page has closed its socket, and opens one when it thaws', async (t) => {
  const peer = await Peer.start();
  t.after(() => peer.stop());
  const page = await open(t, browser, site.url);
  await page.evaluate((url) => window.start({ url, token: 'a.b.c' }), peer.url);
  await reaches(page, 'online');
  const show = await hide(page);
  await page.evaluate(() => window.client.track('before_the_frost'));
  const cdp = await page.createCDPSession();
  await cdp.send('Page.setWebLifecycleState', { state: 'frozen' });
  assert.equal(await peer.sockets[0].closed, 1000);
  await until(() => peer.events.includes('before_the_frost'));
  assert.equal(peer.sockets.length, 1);
  await cdp.send('Page.setWebLifecycleState', { state: 'active' });
  await show();
  await reaches(page, 'online');
  assert.equal(peer.sockets.length, 2);
  assert.deepEqual(peer.events, ['before_the_frost'], 'once');
});

// ---- leaving and coming back, against the real server ----

/** Online, with something that is not said yet. */
async function playing(t, player, name) {
  const page = await open(t, browser, site.url);
  await page.evaluate((url, id) => window.play(url, id), server.url, player);
  await reaches(page, 'online');
  await page.evaluate((event) => window.client.track(event, { level: 3 }), name);
  return page;
}

test('the back button finds the page as it was left, and the client online', async (t) => {
  const page = await playing(t, 'walker', 'left_by_a_link');
  await page.evaluate(() => {
    window.addEventListener('pagehide', ({ persisted }) => (window.kept = persisted));
    window.addEventListener('pageshow', ({ persisted }) => (window.restored = persisted));
  });
  await page.goto(new URL('package.json', site.url).href);
  await until(async () => (await server.events('walker')).includes('left_by_a_link'));
  await until(async () => (await server.operate('GET', '/admin/players/walker')).sessions.every(({ connected }) => !connected));
  await page.goBack({ waitUntil: [] }).catch(() => {});
  await page.waitForFunction(() => window.restored !== undefined, { polling: 20 });
  assert.deepEqual(await page.evaluate(() => [window.kept, window.restored]), [true, true], 'out of the cache, not loaded again');
  await reaches(page, 'online');
  const offer = await page.evaluate(() => window.client.offers.ready('level_completed', { leaseMs: 5_000 }));
  assert.equal(offer?.offerId, 'starter');
  assert.equal(await page.evaluate(() => window.client.flags.string('price', 'd')), '$1.99');
  assert.deepEqual(await page.evaluate(() => window.logs.filter((line) => line.startsWith('warn'))), []);
});

test('a tab that is closed has said what it had to say', async (t) => {
  const page = await playing(t, 'closer', 'closed_the_tab');
  await page.close({ runBeforeUnload: true });
  await until(async () => (await server.events('closer')).includes('closed_the_tab'));
  assert.deepEqual(await server.events('closer'), ['closed_the_tab'], 'once');
});

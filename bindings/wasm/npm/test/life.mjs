// A page's life, the same in every browser: tabs that are really hidden, put aside, loaded again and closed. Where minutes pass, the page's
// clock is the test's and so is the server.

import assert from 'node:assert/strict';
import { test, until } from './patience.mjs';
import { flag, loaded, offer, reaches, warnings } from './stage.mjs';
import { together } from './simulated.mjs';

/** What this install calls itself. */
const device = (page) =>
  until('the install to be remembered', () =>
    page.evaluate(() => JSON.parse(localStorage[Object.keys(localStorage).find((key) => key.endsWith(':boot'))] ?? '{}').device),
  );

export function tellOfLife(stage) {
  test('two pages are two devices, and one has the offer', async (t) => {
    const first = await stage.open(t);
    await stage.play(first, 'pair', { lifecycle: 'manual' });
    await reaches(first, 'online');
    const second = await stage.browser.tab(first, stage.strict.url);
    await loaded(second);
    await stage.play(second, 'pair', { lifecycle: 'manual' });
    await reaches(second, 'online');
    assert.deepEqual([await offer(first), await offer(second, 2_000)], ['starter', null]);
    assert.equal(await first.evaluate(() => window.client.state), 'online', 'nobody was replaced');
    assert.equal((await warnings(second)).filter((line) => line.startsWith('warn another tab')).length, 1);

    // The first one goes; the next start is the install's device again.
    await first.evaluate(() => window.client.close());
    await second.evaluate(() => window.client.close());
    await stage.play(second, 'pair');
    assert.equal((await warnings(second)).length, 1);
  });

  test('a page that is loaded again, and the next page of the game, are the same device', async (t) => {
    const page = await stage.open(t);
    await stage.play(page, 'reader');
    await reaches(page, 'online');
    const id = await device(page);
    for (const go of [() => page.reload(), () => page.goto(`${stage.strict.url}?level=2`)]) {
      await go();
      await loaded(page);
      await stage.play(page, 'reader');
      await reaches(page, 'online');
      assert.deepEqual(await warnings(page), []);
      assert.equal(await device(page), id);
    }
    // Back, where the first one may have waited: it is one device still.
    await stage.browser.back(page);
    // While one page goes and the other comes there may be none to ask.
    await until('the earlier page', () => page.evaluate(() => window.ready && location.search === '').catch(() => false));
    if (await page.evaluate(() => !window.client)) await stage.play(page, 'reader');
    await reaches(page, 'online');
    assert.deepEqual(await warnings(page), []);
    assert.equal(await device(page), id);
  });

  test('three minutes hidden with timers once a minute: manual keeps the socket', async (t) => {
    const { page, peer, pass } = await together(t, stage.browser, stage.loose, 'manual');
    const [socket] = peer.sockets;
    const show = await stage.browser.hide(page);
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

  // A hidden page's timers come once a second, and after some minutes once a minute.
  for (const [rate, align, closed] of [['second', 1_000, 15_000], ['minute', 60_000, 60_000]]) {
    test(`three minutes hidden with timers once a ${rate}: automatic closes after the grace and is back with the page`, async (t) => {
      const { page, peer, pass } = await together(t, stage.browser, stage.loose, 'automatic');
      await page.evaluate(() => window.client.track('before_hiding'));
      const show = await stage.browser.hide(page);
      const [socket] = peer.sockets;
      await pass(closed - 1_000, align);
      assert.ok(socket.open, 'there is a grace');
      await pass(1_000, align);
      assert.equal(await socket.closed, 1000);
      assert.deepEqual(peer.events, ['before_hiding']);
      assert.equal(await page.evaluate(() => window.client.state), 'dormant');
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
    const { page, peer, pass } = await together(t, stage.browser, stage.loose, 'automatic');
    const show = await stage.browser.hide(page);
    await pass(10_000, 1_000);
    await show();
    await pass(60_000);
    assert.ok(peer.sockets.length === 1 && peer.sockets[0].open);
    assert.deepEqual(await page.evaluate(() => window.moves), []);
  });

  test('a minimised Mini App closes after the grace, though its page counts as visible, and is back at once', async (t) => {
    const { page, peer, pass } = await together(t, stage.browser, stage.loose, 'automatic', true);
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

  const saidAs = async (player, event) => (await stage.server.events(player)).filter((name) => name === event);

  /** Online, with something that is not said yet. */
  async function playing(t, player, event) {
    const page = await stage.open(t);
    await stage.play(page, player);
    await reaches(page, 'online');
    await page.evaluate((name) => window.client.track(name, { level: 3 }), event);
    return page;
  }

  /** Left for another one, and shown again by the back button; gives what its `pagehide` and `pageshow` were told. */
  async function thereAndBack(page, meanwhile) {
    await page.evaluate(() => {
      window.addEventListener('pagehide', ({ persisted }) => (window.kept = persisted));
      window.addEventListener('pageshow', ({ persisted }) => (window.restored = persisted));
    });
    await page.goto(new URL('package.json', stage.strict.url).href);
    await meanwhile();
    await stage.browser.back(page);
    const shown = () => page.evaluate(() => window.ready && { kept: window.kept ?? false, restored: window.restored ?? false });
    return until('the page to be shown again', () => shown().catch(() => undefined));
  }

  test('the back button finds the game online, and what was to be said is said once', async (t) => {
    const page = await playing(t, 'walker', 'left_by_a_link');
    const seen = await thereAndBack(page, async () => {
      await stage.said('walker', 'left_by_a_link');
      await stage.gone('walker');
    });
    const keeps = stage.browser.keepsConnectedPages;
    assert.deepEqual(seen, { kept: keeps, restored: keeps }, 'whether it is out of the cache');
    if (!keeps) await stage.play(page, 'walker');
    await reaches(page, 'online');
    if (keeps) {
      const moves = await page.evaluate(() => window.told.get(window.client).filter(({ kind }) => kind === 'stateChanged').slice(-3));
      const why = moves.map(({ state, cause, code }) => [state, cause, code]);
      assert.deepEqual(why, [['dormant', 'background', 0], ['connecting', 'background', 0], ['online', 'none', 0]], 'nobody’s fault');
    }
    assert.equal(await offer(page), 'starter');
    assert.equal((await flag(page))[0], '$1.99');
    assert.deepEqual(await warnings(page), []);
    assert.deepEqual(await saidAs('walker', 'left_by_a_link'), ['left_by_a_link'], 'once');
  });

  test('a page that was put aside without a connection gets one when it is shown again', async (t) => {
    const page = await stage.open(t, stage.loose.url);
    // A provider without a token keeps it from having a socket, and Firefox from loading the page anew.
    await page.evaluate(async (url, token) => {
      window.addEventListener('pagehide', () => (window.left = true));
      const provider = async () => (window.left ? token : Promise.reject(new Error('no token yet')));
      await window.start({ url, token: provider, storage: 'memory' });
    }, stage.server.url, await stage.server.token('stray'));
    await page.evaluate(async () => void (await window.next(window.client, 'stateChanged', ({ cause }) => cause === 'token')));
    const seen = await thereAndBack(page, () => {});
    assert.deepEqual(seen, { kept: true, restored: true }, 'out of the cache, not loaded again');
    await reaches(page, 'online');
    assert.equal(await offer(page), 'starter');
  });

  test('the last words of a page ask for no leave', async (t) => {
    const { page, peer } = await stage.besidePeer(t);
    await page.evaluate(() => window.client.track('left_the_game', { level: 3 }));
    await page.goto(new URL('package.json', stage.loose.url).href);
    const asked = () => peer.requests.filter(({ path }) => path === '/events');
    await until('the last words', () => asked().length > 0);
    const [{ method, headers, body }, ...more] = asked();
    // A page that goes away would not live to see the answer to a preflight.
    assert.deepEqual([method, more], ['POST', []]);
    assert.deepEqual([headers['content-type'], headers.authorization], ['text/plain', undefined]);
    assert.match(body, /^\{"token":"a\.b\.c","timestamp":\d+,/);
    assert.deepEqual(peer.events, ['left_the_game']);
  });

  test('a tab that is closed has said what it had to say, or the next one says it', async (t) => {
    const page = await playing(t, 'closer', 'closed_the_tab');
    await until('it to be remembered', () => page.evaluate(() => JSON.stringify(localStorage).includes('closed_the_tab')));
    await stage.browser.leave(page);
    if (!stage.browser.hearsClosedTabs) {
      const next = await stage.browser.tab(page, stage.strict.url);
      await loaded(next);
      await stage.play(next, 'closer');
    }
    await stage.said('closer', 'closed_the_tab');
    assert.deepEqual(await saidAs('closer', 'closed_the_tab'), ['closed_the_tab'], 'once');
  });
}

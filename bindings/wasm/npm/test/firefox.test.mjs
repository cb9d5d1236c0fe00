// In Firefox as it is installed: the vectors and the way of a game through a good and a bad network. What needs Chromium's own switches is in
// `lifecycle.test.mjs` and `browser.test.mjs`.

import assert from 'node:assert/strict';
import { after, before, test as nodeTest } from 'node:test';
import { CSP, servePackage } from './page.mjs';
import { open, startFirefox } from './puppets.mjs';
import { cable, startServer } from './server.mjs';
import { passIn } from './vector-files.mjs';

const test = (name, run) => nodeTest(name, { timeout: 30_000 }, run);

let server;
let site;
let browser;
before(async () => {
  [server, browser] = await Promise.all([startServer(), startFirefox()]);
  site = await servePackage(() => ({ headers: { 'content-security-policy': CSP(server.url) } }));
  await server.offer('starter');
  await server.flag('price', '$1.99');
});
after(() => Promise.all([server?.stop(), site?.stop(), browser?.close()]));

const reaches = (page, wanted) => page.evaluate((to) => window.reaches(to), wanted);
const play = (page, ...player) => page.evaluate(async (url, id, more) => void (await window.play(url, id, more)), server.url, ...player);

test('the shared vectors', async (t) => passIn(await open(t, browser, site.url)));

test('the first offer, under a strict policy, and the end', async (t) => {
  const page = await open(t, browser, site.url);
  const seen = await page.evaluate(async (url) => {
    const { next } = window;
    const client = await window.play(url, 'fox');
    const before = client.flags.string('price', '$4.99');
    await next(client, 'flagsChanged');
    const offer = await client.offers.ready('level_completed', { leaseMs: 5_000 });
    client.offers.result(offer.offerId, 'accepted');
    client.track('sold', { price: client.flags.string('price', '') });
    const open = client.request('game', 'nobody_answers', {}).catch(({ code }) => code);
    await client.close();
    let late = 0;
    client.on('stateChanged', () => late++);
    return { before, after: client.flags.string('price', '$4.99'), offer: offer.offerId, open: await open, state: client.state, late };
  }, server.url);
  assert.deepEqual(seen, { before: '$4.99', after: '$1.99', offer: 'starter', open: 'CLOSED', state: 'closed', late: 0 });
  while (!(await server.events('fox')).includes('sold'));
  const { sessions, offers } = await server.operate('GET', '/admin/players/fox');
  assert.deepEqual(offers.map(({ outcome }) => outcome), ['accepted']);
  assert.equal(sessions.length, 1);
});

test('a cut network comes back, and a start without one has the last run’s flags', async (t) => {
  const wire = await cable(server.url);
  const loose = await servePackage();
  t.after(() => Promise.all([wire.stop(), loose.stop()]));
  const page = await open(t, browser, loose.url);
  const options = { url: wire.url, playerId: 'vixen' };
  await play(page, 'vixen', options);
  await page.evaluate(() => window.next(window.client, 'flagsChanged'));
  await reaches(page, 'online');
  wire.cut();
  await reaches(page, 'waiting');
  assert.equal(await page.evaluate(() => window.client.flags.string('price', 'd')), '$1.99', 'read all the same');
  wire.mend();
  await page.evaluate(() => window.client.reconnect());
  await reaches(page, 'online');
  await page.evaluate(() => window.client.close());

  wire.cut();
  await page.reload();
  await play(page, 'vixen', options);
  const read = await page.evaluate(() => [window.client.flags.string('price', 'd'), window.client.flags.reason('price')]);
  assert.equal(read[0], '$1.99');
  assert.match(read[1], /^(CACHED|STALE)$/, 'the fetch may have failed already');
  assert.equal(await page.evaluate(() => window.client.offers.ready('level_completed', { leaseMs: 1_000 })), null);
  wire.mend();
  await page.evaluate(() => window.client.reconnect());
  await reaches(page, 'online');
});

test('two tabs are two devices', async (t) => {
  const first = await open(t, browser, site.url);
  await play(first, 'pair');
  await reaches(first, 'online');
  // It comes to the front. The first one is hidden and has its grace.
  const second = await first.browserContext().newPage();
  await second.goto(site.url);
  await play(second, 'pair');
  await reaches(second, 'online');
  assert.ok((await second.evaluate(() => window.logs)).some((line) => line.startsWith('warn another tab')));
  assert.equal(await first.evaluate(() => window.client.state), 'online', 'nobody was replaced');
});

test('a tab that is left has said what it had to say', async (t) => {
  const page = await open(t, browser, site.url);
  await play(page, 'leaver');
  await reaches(page, 'online');
  await page.evaluate(() => window.client.track('left_by_a_link'));
  await page.goto(new URL('package.json', site.url).href);
  while (!(await server.events('leaver')).includes('left_by_a_link'));
});

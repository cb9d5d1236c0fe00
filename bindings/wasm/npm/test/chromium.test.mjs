// In Chromium, beside the stories of every browser, what only it can be made to do: to freeze a page, and to tell one that the network is gone.

import assert from 'node:assert/strict';
import { tellOfLife } from './life.mjs';
import { test, until } from './patience.mjs';
import { startChromium } from './puppets.mjs';
import { cable } from './server.mjs';
import { reaches, Stage } from './stage.mjs';
import { tellStories } from './stories.mjs';

const stage = new Stage(startChromium);
tellStories(stage);
tellOfLife(stage);

test('a frozen page has closed its socket, and opens one when it thaws', async (t) => {
  const { page, peer } = await stage.besidePeer(t);
  const show = await stage.browser.hide(page);
  await page.evaluate(() => window.client.track('before_the_frost'));
  const cdp = await page.createCDPSession();
  await cdp.send('Page.setWebLifecycleState', { state: 'frozen' });
  assert.equal(await peer.sockets[0].closed, 1000);
  await until('what was tracked', () => peer.events.includes('before_the_frost'));
  assert.equal(peer.sockets.length, 1);
  await cdp.send('Page.setWebLifecycleState', { state: 'active' });
  await show();
  await reaches(page, 'online');
  assert.equal(peer.sockets.length, 2);
  assert.deepEqual(peer.events, ['before_the_frost'], 'once');
});

test('a page that is told of the network’s end and return is online again', async (t) => {
  const wire = await cable(stage.server.url);
  t.after(() => wire.stop());
  const page = await stage.open(t, stage.loose.url);
  await stage.play(page, 'underground', { url: wire.url });
  await page.evaluate(async () => void (await window.next(window.client, 'flagsChanged')));
  await reaches(page, 'online');
  // The browser tells the page of it, and leaves open sockets alone, as a phone in a lift does; the cable ends those.
  await page.setOfflineMode(true);
  wire.cut();
  await reaches(page, 'waiting');
  assert.equal(await page.evaluate(() => navigator.onLine), false);
  assert.equal(await page.evaluate(() => window.client.flags.string('price', 'd')), '$1.99', 'read all the same');
  wire.mend();
  await page.setOfflineMode(false);
  await reaches(page, 'online');
});

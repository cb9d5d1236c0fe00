// The built page in WebKit, as Telegram has it on iPhones and Macs: from the start to a bought offer, and away and back, against the real server.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { By } from '../../../bindings/wasm/npm/node_modules/selenium-webdriver/index.js';
import { until, within } from '../../../bindings/wasm/npm/test/patience.mjs';
import { startWebKit } from '../../../bindings/wasm/npm/test/webkit.mjs';
import { builtPage, countOffers, demoServer, funnel, INVOICE, landFish, LASTS, launchedByTelegram, SEEDS, seconds, TELEGRAM_SCRIPT } from './stage.mjs';

/** What Chromium is made to put into the page comes with it here. */
const COMPLAINTS = `window.thrown = [];
addEventListener('error', ({ error, message }) => thrown.push(error?.stack ?? message));
addEventListener('unhandledrejection', ({ reason }) => thrown.push(reason?.stack ?? String(reason)));
addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => thrown.push('CSP: ' + violatedDirective + ' ' + blockedURI));`;
function prepared(path, text) {
  if (path === '/before.js') return `${COMPLAINTS}\n(${countOffers})();`;
  if (path === '/telegram.js') return TELEGRAM_SCRIPT;
  if (path.endsWith('.html')) return text().replace('<head>', '<head><script src="./before.js"></script>');
  if (path.endsWith('.js')) return text().replace('https://telegram.org/js/telegram-web-app.js', '/telegram.js');
  return undefined;
}

let server;
let site;
let browser;
before(async () => {
  await Promise.all([demoServer().then((made) => (server = made)), startWebKit().then((made) => (browser = made))]);
  site = await builtPage(server.url, prepared);
});
after(() => Promise.all([server?.stop(), site?.stop(), browser?.stop()]));

test('in Telegram: a rare fish, the offer, an invoice, and the server knows; minimised and shown again', async (t) => {
  const page = await browser.open(t, `${site.url}?tgWebAppStartParam=debug&seed=${SEEDS.rare}${launchedByTelegram(77)}`);
  const { driver } = page;
  /** What a player reads: the text of a part that is on the screen. */
  const text = (selector) =>
    page.evaluate((of) => {
      const part = document.querySelector(of);
      return part?.checkVisibility() ? part.textContent : undefined;
    }, selector);
  const reads = (selector, wanted) => until(`${selector} to read ${wanted}`, async () => wanted.test((await text(selector)) ?? ''));
  const click = async (selector) => within(`a click on ${selector}`, driver.findElement(By.css(selector)).click());
  const type = async (...keys) => within('keys', driver.actions().sendKeys(...keys).perform());

  await reads('#boot-why', /from the server/);
  await click('#start');
  await reads('#connection-text', /Online/);
  assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector('.chip')).backgroundColor), 'rgb(23, 33, 43)', 'Telegram’s colours');

  await landFish(page, async () => {
    await page.evaluate(() => document.querySelector('#lake').focus());
    await type(' ');
  });
  await reads('#card-rarity', /Rare|Legendary/);
  await until('an offer', () => page.evaluate(() => window.offersHeard > 0));
  await click('#card-go');
  await reads('#offer-title', /The golden rod/);
  const first = seconds(await text('#offer-left'));
  assert.ok(first > 0 && first <= LASTS, `${first} s are left`);
  await until('the countdown to go on', async () => seconds(await text('#offer-left')) < first);
  assert.equal((await funnel(server, 'golden_rod', 'shown')).accepted, 0);

  // Away with the offer on the screen, as a player looks up a message, and back.
  const show = await browser.hide(page);
  assert.equal(await page.evaluate(() => document.querySelector('#paused').hidden), false);
  await show();
  await until('the game to go on', () => page.evaluate(() => document.querySelector('#paused').hidden));
  await reads('#connection-text', /Online/);

  await click('#offer-accept');
  await reads('#offer-bought', /Golden rod and 100 pearls/);
  assert.equal((await funnel(server, 'golden_rod', 'accepted')).declined, 0);
  const calls = await page.evaluate(() => window.telegramCalls);
  assert.deepEqual(calls.filter(([name]) => name === 'openInvoice'), [['openInvoice', INVOICE]]);
});

// The built page in Chromium, played as a player plays it, against the real server. What the game said to the server is asked of the server.
// `STILL_WATER_SHOTS=<folder>` keeps pictures.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import axe from 'axe-core';
import { bounded, PATIENCE_MS } from '../../../bindings/wasm/npm/test/patience.mjs';
import {
  BOT_TOKEN, build, builtPage, countOffers, demoServer, funnel, INVOICE, landFish, LASTS, launchedByTelegram, SEEDS, seconds, startChromium, TELEGRAM_SCRIPT,
} from './stage.mjs';

let server;
let site;
let browser;
before(async () => {
  [server, browser] = await Promise.all([demoServer(), startChromium()]);
  // For those who have come far: it runs out while one looks at it.
  await server.operate('PUT', '/admin/campaigns/flash', {
    title: 'Flash of silver', expiresInSeconds: 10, priority: 9, placements: ['rare_fish'], when: { attribute: { name: 'level', op: '>=', value: 7 } },
  });
  site = await builtPage(server.url);
});
after(() => Promise.all([server?.stop(), site?.stop(), browser?.close()]));

/** A page of its own profile. Whatever the browser complains of fails the test. */
async function open(t, { seed = SEEDS.common, query = 'debug', hash = '', saved, blocked = false, seen, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 360, height: 640 }, ...options });
  t.after(() => context.close());
  const page = bounded(await context.newPage());
  page.setDefaultTimeout(PATIENCE_MS);
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(error.stack));
  page.on('console', (message) => {
    const refused = blocked && message.text().includes('ERR_FAILED');
    if (['error', 'warning'].includes(message.type()) && !refused) complaints.push(message.text());
  });
  t.after(() => assert.deepEqual(complaints, []));
  if (seen) page.on('websocket', seen);
  await page.addInitScript(countOffers);
  await page.addInitScript((kept) => {
    const Real = OscillatorNode;
    window.notes = 0;
    window.OscillatorNode = class extends Real {
      constructor(...how) {
        super(...how);
        window.notes += 1;
      }
    };
    addEventListener('securitypolicyviolation', (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`));
    if (kept && !localStorage.getItem('still-water')) localStorage.setItem('still-water', kept);
  }, saved && JSON.stringify(saved));
  await page.route('https://telegram.org/**', (route) => route.fulfill({ contentType: 'text/javascript', body: TELEGRAM_SCRIPT }));
  if (blocked) await page.route(`${server.url}/**`, (route) => route.abort());
  await page.goto(`${site.url}?${query}&seed=${seed}${hash}`);
  return page;
}

const phase = (page, ...wanted) =>
  page.waitForFunction((all) => all.includes(document.querySelector('#lake').dataset.phase), wanted, { polling: 'raf' });

/** Casts and reels until a fish is landed, by the keys alone: what is needed for it is on the screen. */
async function catchFish(page) {
  await landFish(page, async () => {
    await page.locator('#lake').focus();
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press(' ');
  });
  await page.locator('#card').waitFor();
}

/** The game shows an offer that is there when the player goes on, and waits for none. */
const offerHeard = (page) => page.waitForFunction(() => window.offersHeard > 0, undefined, { polling: 20 });

async function judge(page, where) {
  await page.evaluate(() => Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => undefined))));
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`);
  assert.deepEqual(found, [], where);
  if (process.env.STILL_WATER_SHOTS) await page.screenshot({ path: join(process.env.STILL_WATER_SHOTS, `${where}.png`) });
}

describe('Still Water', { concurrency: 4 }, () => {
  test('in Telegram: a rare fish, the offer, its countdown, an invoice, and the server knows', async (t) => {
    const page = await open(t, { seed: SEEDS.rare, query: 'tgWebAppStartParam=debug', hash: launchedByTelegram(42), colorScheme: 'dark' });
    await page.getByRole('switch', { name: 'Sound' }).check();
    await page.getByRole('button', { name: 'Cast off' }).click();
    await page.locator('#connection-text', { hasText: 'Online' }).waitFor();
    assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector('.chip')).backgroundColor), 'rgb(23, 33, 43)', 'Telegram’s colours');
    assert.ok(await page.getByRole('button', { name: 'Debug' }).isVisible(), 'by the link of a tester');

    await catchFish(page);
    assert.match(await page.locator('#card-rarity').textContent(), /Rare|Legendary/);
    assert.ok((await page.evaluate(() => window.notes)) > 0, 'the catch is heard');
    await offerHeard(page);
    await page.keyboard.press('Enter');
    const offer = page.getByRole('dialog', { name: 'The golden rod' });
    await offer.waitFor();
    const left = page.getByRole('timer');
    const first = seconds(await left.textContent());
    assert.ok(first > 0 && first <= LASTS, `${first} s are left`);
    await page.waitForFunction((before) => document.querySelector('#offer-left').textContent !== before, await left.textContent());
    assert.ok(seconds(await left.textContent()) < first);
    const { shown, accepted } = await funnel(server, 'golden_rod', 'shown');
    assert.deepEqual([shown, accepted], [1, 0]);

    await judge(page, 'telegram-offer');
    // The focus stays in the pop-up.
    for (let n = 0; n < 5; n += 1) {
      await page.keyboard.press('Tab');
      assert.ok(await page.evaluate(() => document.activeElement === document.body || document.activeElement.closest('dialog') !== null));
    }
    await page.getByRole('button', { name: /Get it for/ }).click();
    await page.getByText('Yours now: Golden rod and 100 pearls').waitFor();
    assert.equal((await funnel(server, 'golden_rod', 'accepted')).declined, 0);
    await page.getByRole('button', { name: 'Back to the lake' }).click();
    assert.equal(await page.evaluate(() => document.activeElement.id), 'lake');
    const calls = await page.evaluate(() => window.telegramCalls);
    assert.deepEqual(calls.filter(([name]) => name === 'openInvoice'), [['openInvoice', INVOICE]]);
    assert.ok(calls.some(([name]) => name === 'ready') && calls.some(([name]) => name === 'impact'));
  });

  test('a guest: the level’s last fish, and no, thanks; the cable is cut and mended; all of it in the light', async (t) => {
    const sockets = [];
    const page = await open(t, { saved: { level: 1, caught: 2 }, colorScheme: 'light', seen: (socket) => sockets.push(socket) });
    await page.locator('#boot-why', { hasText: 'from the server' }).waitFor();
    await judge(page, 'light-boot');
    await page.getByRole('button', { name: 'Cast off' }).click();
    await page.locator('#connection-text', { hasText: 'Online' }).waitFor();
    await judge(page, 'light-lake');
    await catchFish(page);
    assert.equal(await page.locator('#card-level').textContent(), 'Level 1 complete');
    assert.equal(await page.evaluate(() => window.notes), 0, 'nothing sounds unasked');
    await judge(page, 'light-card');
    await offerHeard(page);
    await page.getByRole('button', { name: 'Next level' }).click();
    await page.getByRole('dialog', { name: 'Angler’s pack' }).waitFor();
    assert.match(await page.locator('#offer-note').textContent(), /pretended/);
    await judge(page, 'light-offer');
    await page.keyboard.press('Escape');
    assert.equal((await funnel(server, 'anglers_pack', 'declined')).accepted, 0);
    await page.locator('#level', { hasText: 'Level 2' }).waitFor();

    await page.getByRole('button', { name: 'Debug' }).click();
    const fact = (name, text) => page.locator(`[data-fact="${name}"]`, { hasText: text }).waitFor();
    await fact('state', 'online');
    await fact('round-trip', /\d ms/);
    await page.getByRole('row', { name: /fish_speed 1 DEFAULT/ }).waitFor();
    await judge(page, 'light-drawer');
    const dead = sockets.at(-1).waitForEvent('close');
    await page.getByRole('button', { name: 'Cut the network' }).click();
    await dead;
    await page.locator('#connection-text', { hasText: 'Offline' }).waitFor();
    await fact('state', 'waiting');
    await page.getByRole('row', { name: /fish_speed 1 / }).waitFor();
    await page.getByRole('button', { name: 'Mend the network' }).click();
    await page.locator('#connection-text', { hasText: 'Online' }).waitFor();
    assert.deepEqual([sockets.at(-1).isClosed(), new URL(sockets.at(-1).url()).host], [false, new URL(server.url).host]);
    await page.getByRole('button', { name: 'Go to the background' }).click();
    await page.getByText('Paused').waitFor();
    await page.getByRole('button', { name: 'Come back' }).click();
    await page.getByText('Paused').waitFor({ state: 'hidden' });
    await page.getByLabel('Events').getByText('offers.result anglers_pack declined').waitFor();
  });

  test('an offer that runs out goes by itself, and is nobody’s no', async (t) => {
    const page = await open(t, { seed: SEEDS.rare, saved: { level: 7, caught: 0 } });
    await page.getByRole('button', { name: 'Cast off' }).click();
    await page.locator('#connection-text', { hasText: 'Online' }).waitFor();
    await catchFish(page);
    await offerHeard(page);
    await page.keyboard.press('Enter');
    const offer = page.getByRole('dialog', { name: 'Flash of silver' });
    await offer.waitFor();
    await page.locator('#offer[data-hurry="true"]').waitFor({ state: 'attached' });
    await offer.waitFor({ state: 'hidden' });
    await page.getByRole('status').getByText('The offer has ended.').waitFor();
    assert.equal((await funnel(server, 'flash', 'expired')).declined, 0);
    await phase(page, 'idle');
  });

  test('in the dark, and no server: the first screen waits for nothing, the fish bite all the same', async (t) => {
    const page = await open(t, { blocked: true, colorScheme: 'dark', reducedMotion: 'reduce' });
    assert.deepEqual([await page.locator('#boot-price').textContent(), await page.locator('#boot-why').textContent()], ['$4.99', 'the default']);
    await judge(page, 'dark-boot');
    await page.getByRole('button', { name: 'Cast off' }).click();
    await judge(page, 'dark-lake');
    await catchFish(page);
    await judge(page, 'dark-card');
    await page.keyboard.press('Enter');
    await phase(page, 'idle');
    assert.equal(await page.getByRole('dialog').count(), 0);
    await page.getByRole('button', { name: 'Debug' }).click();
    await judge(page, 'dark-drawer');
  });
});

test('what is published has no mock, no seed and no secret in it', (t) => {
  const folder = build(server.url, 'production');
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const page = readFileSync(join(folder, 'index.html'), 'utf8');
  const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1]?.replaceAll('&#39;', "'") ?? '';
  assert.ok(policy.startsWith("default-src 'none'; script-src 'self' 'wasm-unsafe-eval' https://telegram.org; style-src 'self';"), policy);
  assert.ok(policy.includes(server.url));
  const scripts = readdirSync(join(folder, 'assets')).filter((name) => name.endsWith('.js'));
  const code = scripts.map((name) => readFileSync(join(folder, 'assets', name), 'utf8')).join('\n');
  assert.ok(code.includes('fish_caught'), 'it is the game');
  for (const word of ['/dev/init-data', BOT_TOKEN, '"seed"', '`seed`']) assert.ok(!code.includes(word), word);
});

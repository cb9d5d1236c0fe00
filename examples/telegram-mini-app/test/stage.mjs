// What the tests need: the real server with the demo's flags and campaigns, the built page under its own policy, a browser, and a
// stand-in for Telegram's script.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { chromium } from 'playwright-core';
import { PATIENCE_MS, until } from '../../../bindings/wasm/npm/test/patience.mjs';
import { startServer } from '../../../bindings/wasm/npm/test/server.mjs';
import { signInitData } from '../dev/init-data.mjs';

const ROOT = new URL('../', import.meta.url).pathname;
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm', '.svg': 'image/svg+xml' };
/** How long an offer lasts, in seconds. */
export const LASTS = 300;
export const BOT_TOKEN = '1:for-the-tests-on-this-machine-alone';

/** In one all fish are rare, in the other all are common. */
export const SEEDS = { rare: 1_666_462, common: 302 };
export const INVOICE = 'https://t.me/$invoice';

/** What an operator would set up, but no offer runs out while a busy machine looks at it, and one has an invoice. */
export async function demoServer() {
  const server = await startServer({ env: { CASTLINE_TELEGRAM_BOT_TOKEN: BOT_TOKEN } });
  for (const kind of ['flags', 'campaigns']) {
    for (const file of readdirSync(join(ROOT, 'demo', kind))) {
      const name = file.replace('.json', '');
      const definition = JSON.parse(readFileSync(join(ROOT, 'demo', kind, file), 'utf8'));
      if (kind === 'campaigns') definition.expiresInSeconds = LASTS;
      if (name === 'golden_rod') definition.data.invoiceUrl = INVOICE;
      await server.operate('PUT', `/admin/${kind}/${name}`, definition);
    }
  }
  return server;
}

/** Builds the page for that server: `production` is what is published, `test` has a seed for the fish. */
export function build(serverUrl, mode) {
  const folder = mkdtempSync(join(tmpdir(), 'still-water-'));
  const vite = join(ROOT, 'node_modules/vite/bin/vite.js');
  const env = { ...process.env, VITE_CASTLINE_URL: serverUrl, DEMO_BOT_TOKEN: BOT_TOKEN };
  execFileSync(process.execPath, [vite, 'build', ROOT, '--mode', mode, '--outDir', folder, '--emptyOutDir', '--logLevel', 'warn'], { env, stdio: 'inherit' });
  return folder;
}

/**
 * That page on a free port, with no header's help: its policy is in it. `change(path, text)` may give another text, where a browser's driver
 * cannot put anything into the page.
 */
export async function builtPage(serverUrl, change = () => undefined) {
  const folder = build(serverUrl, 'test');
  const http = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://here');
    const path = pathname === '/' ? '/index.html' : pathname;
    try {
      const file = join(folder, path);
      const body = change(path, () => readFileSync(file, 'utf8')) ?? readFileSync(file);
      response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' }).end(body);
    } catch {
      response.writeHead(404).end('not here');
    }
  });
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${http.address().port}/`,
    stop: async () => {
      await new Promise((resolve) => (http.close(resolve), http.closeAllConnections()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function startChromium() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** Runs in the page before its own scripts, and counts the offers that come: a test goes on when one is there, not when it hopes so. */
export function countOffers() {
  window.offersHeard = 0;
  const Real = window.WebSocket;
  window.WebSocket = class extends Real {
    constructor(...args) {
      super(...args);
      this.addEventListener('message', ({ data }) => {
        if (`${data}`.includes('"new_offer"')) window.offersHeard += 1;
      });
    }
  };
}

/**
 * Runs in the page once the line is out: strikes when a fish bites, reels while the line holds, and lets go when the meter says so. All that
 * it knows is on the screen, and it is as quick as that: on a busy machine a test's own word would come too late for a bite.
 */
function handOnTheReel() {
  return new Promise((done) => {
    const lake = document.querySelector('#lake');
    const meter = document.querySelector('#tension');
    const key = (type) => lake.dispatchEvent(new KeyboardEvent(type, { key: ' ', bubbles: true, cancelable: true }));
    const rest = performance.now() + 10_000;
    let held = false;
    const look = () => {
      const { phase = 'idle' } = lake.dataset;
      if (phase === 'caught') return done('landed');
      if (phase === 'idle') return done('gone');
      // It fights on; whoever asked asks again.
      if (performance.now() > rest) return done('');
      const reel = phase === 'bite' || (phase === 'fight' && meter.dataset.danger !== 'true' && Number(meter.getAttribute('aria-valuenow')) < 78);
      if (reel !== held) key(reel ? 'keydown' : 'keyup');
      held = reel;
      requestAnimationFrame(look);
    };
    look();
  });
}

/** Casts by `cast()` and reels until a fish is landed. Slow frames make slow seconds in the game, so it has its time. */
export async function landFish(page, cast) {
  for (let n = 0; n < 12; n += 1) {
    await cast();
    if ((await until('the end of a fight', () => page.evaluate(handOnTheReel), 4 * PATIENCE_MS)) === 'landed') return;
  }
  throw new Error('a dozen fish in a row got away');
}

/** Where Telegram opens the page, with its word for a player, in the dark. */
export function launchedByTelegram(player) {
  const theme = { bg_color: '#17212b', text_color: '#f5f5f5', button_color: '#5288c1', button_text_color: '#ffffff', secondary_bg_color: '#232e3c', accent_text_color: '#6ab2f2', subtitle_text_color: '#9fb0bf', section_bg_color: '#17212b' };
  return `#${new URLSearchParams({ tgWebAppData: signInitData(BOT_TOKEN, player), tgWebAppVersion: '8.0', tgWebAppThemeParams: JSON.stringify(theme) })}`;
}

/** Asks the server until one player has come as far. */
export function funnel(server, campaign, step) {
  return until(`one ${step} of ${campaign}`, async () => {
    const { funnel: counts } = await server.operate('GET', `/admin/campaigns/${campaign}`);
    return counts[step] === 1 ? counts : undefined;
  });
}

/** Of a countdown, `4:59`. */
export const seconds = (text) => text.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);

/** What Telegram's script makes of the address that Telegram opened; the parts that the game uses. */
export const TELEGRAM_SCRIPT = `(() => {
  const launch = new URLSearchParams(location.hash.slice(1));
  const theme = JSON.parse(launch.get('tgWebAppThemeParams'));
  for (const [name, colour] of Object.entries(theme)) document.documentElement.style.setProperty('--tg-theme-' + name.replaceAll('_', '-'), colour);
  const calls = (window.telegramCalls = []);
  const note = (name) => (...values) => calls.push([name, ...values]);
  window.Telegram = { WebApp: {
    initData: launch.get('tgWebAppData'), initDataUnsafe: {}, colorScheme: 'dark', isVersionAtLeast: () => true,
    ready: note('ready'), expand: note('expand'), disableVerticalSwipes: note('disableVerticalSwipes'), onEvent: note('onEvent'), offEvent: note('offEvent'),
    HapticFeedback: { impactOccurred: note('impact'), notificationOccurred: note('notification') },
    openInvoice: (url, done) => { calls.push(['openInvoice', url]); setTimeout(() => done('paid')); },
  } };
})();`;

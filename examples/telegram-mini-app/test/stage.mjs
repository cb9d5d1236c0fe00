// What the tests need: the real server with the demo's flags and campaigns, the built page under its own policy, a browser, and a
// stand-in for Telegram's script.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { chromium } from 'playwright-core';
import { startServer } from '../../../bindings/wasm/npm/test/server.mjs';

const ROOT = new URL('../', import.meta.url).pathname;
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm', '.svg': 'image/svg+xml' };
export const BOT_TOKEN = '1:for-the-tests-on-this-machine-alone';

/** What an operator would set up. `change` alters a definition for the test's sake. */
export async function demoServer(change = () => {}) {
  const server = await startServer({ env: { CASTLINE_TELEGRAM_BOT_TOKEN: BOT_TOKEN } });
  for (const kind of ['flags', 'campaigns']) {
    for (const file of readdirSync(join(ROOT, 'demo', kind))) {
      const name = file.replace('.json', '');
      const definition = JSON.parse(readFileSync(join(ROOT, 'demo', kind, file), 'utf8'));
      change(name, definition);
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

/** That page on a free port, with no header's help: its policy is in it. */
export async function builtPage(serverUrl) {
  const folder = build(serverUrl, 'test');
  const http = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://here');
    const path = pathname === '/' ? '/index.html' : pathname;
    try {
      const body = readFileSync(join(folder, path));
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

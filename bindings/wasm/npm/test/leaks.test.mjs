// Clients come and go, and leave nothing behind: in Node.js and in Chromium, the module's memory and JavaScript's, after a collection. A thousand
// here; ten thousand by `cargo xtask npm soak`.

import assert from 'node:assert/strict';
import { test as nodeTest } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { WebSocket } from 'ws';
import * as castline from '../dist/index.js';
import { servePackage, startChromium } from './page.mjs';
import { Peer } from './peer.mjs';

globalThis.WebSocket ??= WebSocket;

const test = (name, run) => nodeTest(name, { timeout: 600_000 }, run);

/** As many are closed before they are online. */
const CYCLES = Number(process.env.CASTLINE_CYCLES ?? 1_000);
/** As many get online, are asked for an offer and read a flag. */
const PLAYED = Math.ceil(CYCLES / 30);
/** What the engine may keep for itself. A thousand clients that stayed would cost five times as much. */
const SLACK = 1 << 20;

/** Runs in the page and in Node.js alike. */
async function cycle(connect, count, url, how) {
  for (let n = 0; n < count; n++) {
    // Of those that are not played one in ten is closed while it opens its socket, the others while they wait for a token.
    const token = how === 'played' || (how === 'opening' && n % 10 === 0) ? 'a.b.c' : () => new Promise(() => {});
    const client = await connect({ url, build: '1', storage: 'memory', token, log: () => {} });
    client.on('stateChanged', () => {});
    client.flags.json(`flag${n % 7}`, { n });
    if (how === 'played') {
      client.track('played', { n });
      await client.offers.ready('level_completed', { leaseMs: 5_000 });
    }
    await client.close();
  }
}

/** @returns what the module and JavaScript hold once some have come and gone, and once many have */
async function measure(go, held, url, how, played) {
  await go(300, url, how);
  await go(30, url, 'played');
  const before = await held();
  await go(CYCLES, url, how);
  await go(played, url, 'played');
  const after = await held();
  return [before, after];
}

function check(t, [before, after]) {
  t.diagnostic(`before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`);
  assert.equal(after.wasm, before.wasm, 'the module’s memory');
  assert.ok(after.heap - before.heap < SLACK, `${before.heap} bytes grew to ${after.heap}`);
}

test('in Node.js', async (t) => {
  const peer = await Peer.start();
  t.after(() => peer.stop());
  const bytes = await (await import('node:fs/promises')).readFile(new URL('../dist/castline_bg.wasm', import.meta.url));
  let memory;
  const { instantiate } = WebAssembly;
  WebAssembly.instantiate = async (...args) => {
    const made = await instantiate(...args);
    // Node.js has modules of its own, for its `fetch`: those it gives compiled, and gets the instance alone.
    memory ??= made.instance?.exports.memory;
    return made;
  };
  await castline.init({ wasm: bytes });
  WebAssembly.instantiate = instantiate;
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  const held = async () => {
    for (let n = 0; n < 3; n++) {
      await new Promise((resolve) => setImmediate(resolve));
      collect();
    }
    peer.forget();
    return { wasm: memory.buffer.byteLength, heap: process.memoryUsage().heapUsed };
  };
  // Sockets and requests that are given up are the browser's part: of these Node.js keeps some memory of its own, without any Castline.
  check(t, await measure((...how) => cycle(castline.connect, ...how), held, peer.url, 'waiting', 30));
});

test('in Chromium', async (t) => {
  const [peer, site, browser] = await Promise.all([Peer.start(), servePackage(), startChromium()]);
  t.after(() => Promise.all([peer.stop(), site.stop(), browser.close()]));
  const page = await browser.newPage();
  await page.addInitScript(() => {
    const { instantiateStreaming } = WebAssembly;
    WebAssembly.instantiateStreaming = async (...args) => {
      const made = await instantiateStreaming(...args);
      window.memory = made.instance.exports.memory;
      return made;
    };
  });
  await page.goto(site.url);
  await page.addScriptTag({ content: `window.cycle = ${cycle}` });
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Performance.enable');
  const held = async () => {
    for (let n = 0; n < 2; n++) await cdp.send('HeapProfiler.collectGarbage');
    const metrics = Object.fromEntries((await cdp.send('Performance.getMetrics')).metrics.map(({ name, value }) => [name, value]));
    const wasm = await page.evaluate(() => window.memory.buffer.byteLength);
    return { wasm, heap: metrics.JSHeapUsedSize, listeners: metrics.JSEventListeners };
  };
  const go = (...how) => page.evaluate((args) => window.cycle(window.castline.connect, ...args), how);
  const [before, after] = await measure(go, held, peer.url, 'opening', PLAYED);
  check(t, [before, after]);
  assert.ok(after.listeners <= before.listeners, `${before.listeners} listeners became ${after.listeners}`);
});

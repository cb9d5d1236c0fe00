// `cargo xtask bench web`: the npm package in Debian's Chromium, against two clients from npm in the same run. Prints what it does on standard error and
// what it measured, as JSON, on standard output; the tables are made of that in `tests/benchmarks/src/web.rs`.
//
// It wants the package's `dist` and `node_modules`, and a built server: `CASTLINE_SERVER`, or the debug build. `--quick` is for a look, and to
// see that everything still runs; `--only messages` measures one part.

import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { startChromium } from '../../../bindings/wasm/npm/test/page.mjs';
import { startServer } from '../../../bindings/wasm/npm/test/server.mjs';
import * as flags from './flags.mjs';
import * as idle from './idle.mjs';
import * as messages from './messages.mjs';
import * as servers from './servers.mjs';
import { CLIENTS, startSite } from './site.mjs';
import { versus } from './rows.mjs';
import * as start from './start.mjs';

const { quick, only } = parseArgs({ options: { quick: { type: 'boolean' }, only: { type: 'string' } } }).values;
const PARTS = { start, messages, flags, idle };
if (only && !Object.hasOwn(PARTS, only)) throw new Error(`--only ${only}: it must be one of ${Object.keys(PARTS).join(', ')}`);
const EFFORT = quick
  ? { start: { rounds: 1, conditions: 1 }, messages: { rounds: 1, count: 40 }, flags: { rounds: 3, reads: 20_000 }, idle: { seconds: 1 } }
  : { start: { rounds: 7, conditions: 3 }, messages: { rounds: 9, count: 200 }, flags: { rounds: 31, reads: 200_000 }, idle: { seconds: 60 } };

const sizes = {
  title: 'Size',
  explanation: `
What the page loads: the bundle of the start, and our module; gzip −9. Ours has flags, offers, rooms, bets, analytics, resume and acknowledgement in it, and the core that
the native library has too; centrifuge has subscriptions with recovery, presence, history, three transports and delta
compression; reconnecting-websocket reconnects.`,
};

const stops = [];
try {
  const [server, browser, site] = await Promise.all([startServer(), startChromium(), startSite()]);
  stops.push(() => server.stop(), () => browser.close(), () => site.stop());
  const ends = { castline: await servers.castline(server.url), centrifuge: await servers.centrifuge(), 'reconnecting-websocket': await servers.plain() };
  stops.push(...Object.values(ends).map((end) => () => end.stop()));
  for (let at = 0; at < 16; at++) await server.flag(`flag${at}`, true);
  for (let at = 0; at < 8; at++) await server.flag(`text${at}`, `value ${at}`);
  let players = 0;
  const token = () => server.token(`w${++players}`);

  const sections = [];
  for (const [name, part] of Object.entries(PARTS)) {
    if (only && name !== only) continue;
    console.error(`${name} …`);
    const rows = await part.run({ browser, site, servers: ends, token, ...EFFORT[name] });
    sections.push({ title: part.title, explanation: part.explanation, rows });
  }
  const bytes = Object.fromEntries(CLIENTS.map((client) => [client, [site.sizes[client] / 1_024]]));
  sections.push({ ...sizes, rows: versus('gzipped', 'KiB', bytes, '1') });

  const version = (name) => createRequire(import.meta.url)(`./node_modules/${name}/package.json`).version;
  const software = [`Chromium ${browser.version()}`, `Node.js ${process.version}`, ...CLIENTS.slice(1).map((name) => `${name} ${version(name)}`)];
  console.log(JSON.stringify({ software: software.join(', '), sections }));
} finally {
  // The last first; the server when nobody is connected any more.
  for (const stop of stops.reverse()) await stop();
}

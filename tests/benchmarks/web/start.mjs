// From nothing to connected, in a fresh page; then once more in the same page.

import { openPage, spentIn } from './page.mjs';
import { alone, collector, inTurn, versus } from './rows.mjs';

/** A phone of the middle on a bad line, as Lighthouse has it. Round trips of 150 ms, bytes a second. */
const PHONE = { slower: 4, network: { latency: 150, downloadThroughput: 204_800, uploadThroughput: 93_750 } };
const CONDITIONS = [
  { name: '', options: {} },
  { name: 'CPU × 4: ', options: { slower: 4 } },
  { name: 'CPU × 4, slow 4G: ', options: PHONE },
];

export const title = 'From the start to online';
export const explanation = `
A page in a fresh profile loads the client and its library (one minified bundle; ours fetches its module too, gzipped as the bundle), and connects. "Cold"
counts from before the import until the client says that it is connected; "warm" is another client in the same page, after the first was closed: nothing is
loaded or compiled then. Ours is online when the real server has checked the token, stored the session with an fsync and answered; centrifuge when a
peer has answered its connect command at once; reconnecting-websocket when the socket is open, without any login. So ours waits for more.
Between our client and the server is the relay of \`servers.mjs\`, one hop more.
Main-thread time is the CPU time of all the page's tasks from before the import until 200 ms after it was online. A flag can be read as soon as
\`connect\` has given the client, online or not: the peers have no flags. "CPU × 4" is the browser's throttling, "slow 4G" its emulation of a
line with 1.6 Mbit/s and 150 ms of latency.
Memory is JavaScript's heap in use after a garbage collection, above that of the empty page; compiled code is not in it. The module's memory is
what our client has besides.`;

export async function run({ browser, site, servers, token, rounds, conditions }) {
  const rows = [];
  const n = `${rounds} pages a side`;
  for (const { name, options } of CONDITIONS.slice(0, conditions)) {
    const results = collector();
    for (let round = 0; round < rounds; round++) {
      for (const client of inTurn(round)) {
        const seen = await once({ browser, site, url: servers[client].url, token: await token(), client, options });
        for (const [what, value] of Object.entries(seen)) results.add(what, client, value);
      }
    }
    rows.push(...versus(`${name}cold: online`, 'ms', results.of('cold'), n));
    rows.push(alone(`${name}cold: a flag can be read`, 'ms', results.of('coldFlag').castline, n));
    rows.push(...versus(`${name}cold: main-thread time`, 'ms', results.of('work'), n));
    rows.push(...versus(`${name}warm: online`, 'ms', results.of('warm'), n));
    rows.push(alone(`${name}warm: a flag can be read`, 'ms', results.of('warmFlag').castline, n));
    if (options.network) continue;
    rows.push(alone(`${name}warm: first read of each of 16 flags`, 'us', results.of('firstReads').castline, n));
    if (options.slower) continue;
    rows.push(...versus('JavaScript heap of a client', 'KiB', results.of('heap'), n));
    rows.push(alone("the module's memory", 'KiB', results.of('wasm').castline, n));
  }
  return rows;
}

async function once({ browser, site, url, token, client, options }) {
  const page = await openPage(browser, site, options);
  const empty = await page.heap();
  let cold;
  const work = await spentIn(page, async () => (cold = await page.run(connect, { client, url, token, name: 'cold' })));
  const heap = (await page.heap()) - empty;
  const wasm = await page.run(() => window.bench.state.memory?.buffer.byteLength);
  await page.run(() => window.bench.links.cold.close());
  const warm = await page.run(connect, { client, url, token, name: 'warm' });
  await page.close();
  const ours = client === 'castline' && { coldFlag: cold.flag, warmFlag: warm.flag, firstReads: warm.reads, wasm: wasm / 1_024 };
  return { cold: cold.online, warm: warm.online, work: work.all, heap: heap / 1_024, ...ours };
}

/** In the page. */
async function connect({ client, url, token, name }) {
  const from = performance.now();
  const { open } = await import(`/${client}.js`);
  const link = await open({ url, token }, window.bench.take);
  window.bench.links[name] = link;
  let flag;
  let reads;
  if (link.client) {
    const { flags } = link.client;
    flags.bool('flag0', false);
    const first = performance.now();
    flag = first - from;
    for (let at = 1; at < 16; at++) flags.bool(`flag${at}`, false);
    reads = ((performance.now() - first) * 1_000) / 15;
  }
  await link.online;
  const online = performance.now() - from;
  await new Promise((resolve) => setTimeout(resolve, 200));
  return { online, flag, reads };
}

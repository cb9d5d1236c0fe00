// A getter against a look into a Map.

import { openPage } from './page.mjs';

export const title = 'Flag read';
export const explanation = `
\`client.flags.bool\`, \`.string\` and \`.variant\` in turn over the flags that the server gave (16 booleans, 8 texts), in the page of a connected client; the peer is a \`Map\`
with the same names and values: \`get\`, look at the type, else the default. What was read once of a snapshot of the flags is a look into a map until
they change. A name that no flag has, beyond the 1,024 that are remembered, crosses into the module at each read: so that line is what a crossing costs.
What the first read of a flag that is there costs, text and parsing included and nothing compiled yet, stands above, under "warm". By the clock on the wall, 5 µs fine.`;

export async function run({ browser, site, servers, token, rounds, reads }) {
  const rows = [];
  for (const slower of [1, 4]) {
    const page = await openPage(browser, site, { slower });
    const sides = await page.run(measure, { url: servers.castline.url, token: await token(), rounds, reads });
    await page.close();
    const name = slower === 1 ? '' : `CPU × ${slower}: `;
    const row = (what, peer, [ours, theirs], of) => ({ what: name + what, peer, unit: 'ns', aim: { atMost: 1_000 }, ours, theirs, n: `${rounds} rounds of ${of} a side` });
    rows.push(row('bool, hit', 'Map', sides.bool, reads));
    rows.push(row('string, hit', 'Map', sides.string, reads));
    rows.push(row('variant, hit', 'Map', sides.variant, reads));
    rows.push(row('bool, unknown name: crossing', 'Map', sides.unknown, reads / 10));
  }
  return rows;
}

/** In the page. */
async function measure({ url, token, rounds, reads }) {
  const { open } = await import('/castline.js');
  const link = await open({ url, token }, () => {});
  const { flags } = link.client;
  await new Promise((resolve) => link.client.on('flagsChanged', resolve));
  await link.online;

  const bools = Array.from({ length: 16 }, (_, at) => `flag${at}`);
  const strings = Array.from({ length: 8 }, (_, at) => `text${at}`);
  if (!bools.every((name) => flags.bool(name, false)) || flags.string('text3', '') !== 'value 3') throw new Error('the flags are not the expected ones');
  const map = new Map([...bools.map((name) => [name, true]), ...strings.map((name) => [name, flags.string(name, '')])]);
  const variants = new Map(bools.map((name) => [name, flags.variant(name)]));
  const get = (type, of, name, or) => {
    const value = of.get(name);
    return typeof value === type ? value : or;
  };
  // What is not remembered any more.
  const unknown = Array.from({ length: 4_096 }, (_, at) => `unknown${at}`);
  for (const name of unknown) flags.bool(name, false);
  const beyond = unknown.slice(2_048);

  let sum = 0;
  const time = (count, names, read) => {
    const mask = names.length - 1;
    const from = performance.now();
    for (let at = 0; at < count; at++) if (read(names[at & mask])) sum++;
    return ((performance.now() - from) * 1e6) / count;
  };
  const pairs = {
    bool: [reads, bools, (name) => flags.bool(name, false), (name) => get('boolean', map, name, false)],
    string: [reads, strings, (name) => flags.string(name, ''), (name) => get('string', map, name, '')],
    variant: [reads, bools, (name) => flags.variant(name), (name) => get('string', variants, name, undefined)],
    unknown: [reads / 10, beyond, (name) => flags.bool(name, true), (name) => get('boolean', map, name, true)],
  };
  const sides = {};
  for (const [name, [count, names, ours, theirs]] of Object.entries(pairs)) {
    const both = (sides[name] = [[], []]);
    // The first round is the compiler's.
    for (let round = -1; round < rounds; round++) {
      const order = round % 2 ? [0, 1] : [1, 0];
      for (const side of order) {
        const value = time(count, names, side ? theirs : ours);
        if (round >= 0) both[side].push(value);
      }
    }
  }
  window.sum = sum;
  return sides;
}

// What a message costs the page's main thread: all three clients in one page, in turn.

import { openPage, spentIn } from './page.mjs';
import { collector, inTurn, versus } from './rows.mjs';
import { CLIENTS } from './site.mjs';

export const title = 'Messages';
export const explanation = `
All three clients are connected in one page, and take turns. The same payload of nine members goes to each, in the envelope of its own protocol, from the same process; each
client's listener gets it parsed and reads a member. Main-thread time is the CPU time of all the page's tasks, the browser's own part of
receiving included, divided by the messages; "script" is the part of it in which JavaScript and WebAssembly ran. "One by one": 3 ms apart; "at once": as
fast as the server can. What ours does with a message more than the others: it checks length, depth and form of the whole envelope, keeps the server's clock and
the heartbeat, and queues the event, bounded, so that no listener runs within another call. centrifuge decodes, dispatches to the subscription in
microtasks and keeps its own watch for the server's ping; reconnecting-websocket hands on the browser's event, and the page calls \`JSON.parse\`. Outgoing
messages expect no answer.`;

export async function run({ browser, site, servers, token, rounds, count }) {
  const rows = [];
  for (const slower of [1, 4]) {
    const name = slower === 1 ? '' : `CPU × ${slower}: `;
    const page = await openPage(browser, site, { slower });
    for (const client of CLIENTS) await page.run(connect, { client, url: servers[client].url, token: await token() });
    const results = collector();
    const receive = async (client, apart) => {
      await page.run((count) => window.bench.expect(count), count);
      const spent = await spentIn(page, () => Promise.all([page.run(() => window.bench.done), servers[client].push(count, apart)]));
      return { all: (spent.all * 1_000) / count, script: (spent.script * 1_000) / count };
    };
    // The first round makes the browser compile what is used often; it is not counted.
    for (let round = -1; round < rounds; round++) {
      for (const client of inTurn(round + 1)) {
        const apart = await receive(client, 3);
        const together = await receive(client, 0);
        const sent = await spentIn(page, () => page.run(send, { client, count }));
        if (round < 0) continue;
        results.add('one by one', client, apart.all);
        results.add('script', client, apart.script);
        results.add('at once', client, together.all);
        results.add('out', client, (sent.all * 1_000) / count);
      }
    }
    await page.close();
    const n = `${rounds} rounds of ${count} a side`;
    rows.push(...versus(`${name}incoming, one by one`, 'us', results.of('one by one'), n));
    rows.push(...versus(`${name}incoming, one by one, script`, 'us', results.of('script'), n));
    rows.push(...versus(`${name}incoming, at once`, 'us', results.of('at once'), n));
    rows.push(...versus(`${name}outgoing`, 'us', results.of('out'), n));
  }
  return rows;
}

/** In the page. */
async function connect({ client, url, token }) {
  const { open } = await import(`/${client}.js`);
  const link = await open({ url, token }, window.bench.take);
  window.bench.links[client] = link;
  await link.online;
  // What follows a login by itself.
  await new Promise((resolve) => setTimeout(resolve, 300));
}

/** In the page: twenty in a task, and then the next task. */
async function send({ client, count }) {
  const link = window.bench.links[client];
  const payload = { move: 'cast', angle: 41.5, power: 88, bait: 'worm_3', at: [104.25, 33.5] };
  for (let left = count; left > 0; left -= 20) {
    for (let each = 0; each < 20; each++) link.send(payload);
    await new Promise((resolve) => setTimeout(resolve));
  }
}

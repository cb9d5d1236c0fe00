// A minute in which the game asks nothing: what the page does meanwhile.

import { setTimeout as wait } from 'node:timers/promises';
import { openPage, spentIn } from './page.mjs';
import { versus, alone } from './rows.mjs';
import { CLIENTS } from './site.mjs';

export const title = 'Idle';
export const explanation = `
A connected client to which nobody says anything, each in a page of its own, all at the same time, a real minute long (no clock is moved), which begins 6 s after the
connect. Timers are counted by what wraps \`setTimeout\` and \`setInterval\`: callbacks that ran. Messages are those that the server's side counted, in and
out. Ours sends a ping when there was silence for 30 s and waits for the answer; centrifuge answers the ping that its server sends
every 25 s, and its watch on that is a timer which each ping moves; reconnecting-websocket has no heartbeat, and so does not notice a dead line. The main-thread time
of a page that has loaded nothing at all is the last line.`;

export async function run({ browser, site, servers, token, seconds }) {
  const clients = [...CLIENTS, 'nothing'];
  const pages = await Promise.all(clients.map(() => openPage(browser, site, { before: countTimers })));
  const look = (index) => pages[index].run(() => window.benchTimers);
  for (const [index, client] of CLIENTS.entries()) {
    await pages[index].run(connect, { client, url: servers[client].url, token: await token() });
  }
  // reconnecting-websocket looks after 5 s whether the line held.
  await wait(Math.min(6_000, seconds * 1_000));
  const results = await Promise.all(
    clients.map(async (client, index) => {
      const [timers, messages] = [await look(index), servers[client]?.messages() ?? 0];
      const spent = await spentIn(pages[index], () => wait(seconds * 1_000));
      return { timers: (await look(index)) - timers, messages: (servers[client]?.messages() ?? 0) - messages, work: spent.all };
    }),
  );
  await Promise.all(pages.map((page) => page.close()));
  const sides = (what) => Object.fromEntries(CLIENTS.map((client, index) => [client, [results[index][what]]]));
  const n = `${seconds} s`;
  return [
    ...versus('timers that ran', 'count', sides('timers'), n),
    ...versus('messages, both ways', 'count', sides('messages'), n),
    ...versus('main-thread time', 'ms', sides('work'), n),
    alone('main-thread time of an empty page', 'ms', [results[3].work], n),
  ];
}

/** In the page. */
async function connect({ client, url, token }) {
  const { open } = await import(`/${client}.js`);
  await (window.link = await open({ url, token }, () => {})).online;
}

/** In the page, before anything else. */
function countTimers() {
  window.benchTimers = 0;
  for (const name of ['setTimeout', 'setInterval']) {
    const set = window[name].bind(window);
    window[name] = (work, after, ...given) =>
      set(() => {
        window.benchTimers++;
        work(...given);
      }, after);
  }
}

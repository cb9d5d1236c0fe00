// Minutes that take no time: a page and a server that share the test's clock, with a real socket between them.

import { until } from './patience.mjs';
import { Peer } from './peer.mjs';

/** Both online; `pass(ms, align)` lets time go by. The page is `site`'s, with its clock in the test's hands. */
export async function together(t, browser, site, lifecycle, telegram = false) {
  const peer = await Peer.start();
  t.after(() => peer.stop());
  const page = await browser.open(t, `${site.url}#clock`);
  await until('the page’s script', () => page.evaluate(() => window.ready));
  await page.evaluate(
    async (url, how, mini) => {
      const who = { token: 'a.b.c' };
      if (mini) {
        const { connectTelegram, mockTelegram } = await import('/dist/telegram.js');
        window.telegram = mockTelegram('query_id=1&hash=2');
        Object.assign(who, { token: undefined, connect: connectTelegram });
      }
      await window.start({ url, ...who, storage: 'memory', lifecycle: how });
      window.moves = [];
      window.news = [];
      window.client.on('stateChanged', ({ state: to }) => window.moves.push(to));
      window.client.on('message', ({ payload }) => window.news.push(payload.n));
      await window.clock.advance(0);
      await window.reaches('online');
      window.moves.length = 0;
    },
    peer.url,
    lifecycle,
    telegram,
  );
  /** Both have heard what the other one said, or the socket has ended. */
  const quiet = () =>
    until('what both ends said to be heard', async () => {
      const traffic = await page.evaluate(() => window.traffic);
      const { open: is, sent, received } = peer.sockets.at(-1);
      return !is || (traffic.sent === received && traffic.received === sent);
    });
  /** Time goes by at both ends, in steps that a heartbeat does not notice; the page's timers run at multiples of `align`. */
  const pass = async (ms, align = 1) => {
    const step = align === 60_000 ? 5_000 : 1_000;
    for (let left = ms; left > 0; left -= step) {
      const now = Math.min(left, step);
      await page.evaluate((by, every) => window.clock.advance(by, every), now, align);
      await peer.advance(now);
      await quiet();
    }
  };
  await quiet();
  return { page, peer, pass };
}

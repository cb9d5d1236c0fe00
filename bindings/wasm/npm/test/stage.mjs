// What the stories of the browsers need: a browser, the real server with an offer and a flag, the package's pages, and the words in which a
// story speaks of them.

import { after, before } from 'node:test';
import { CSP, servePackage } from './page.mjs';
import { until } from './patience.mjs';
import { Peer } from './peer.mjs';
import { startServer } from './server.mjs';

export const reaches = (page, wanted) => page.evaluate((to) => window.reaches(to), wanted);
export const flag = (page) => page.evaluate(() => [window.client.flags.string('price', 'd'), window.client.flags.reason('price')]);
export const warnings = (page) => page.evaluate(() => window.logs.filter((line) => line.startsWith('warn')));
export const offer = (page, leaseMs = 60_000) =>
  page.evaluate(async (ms) => (await window.client.offers.ready('level_completed', { leaseMs: ms }))?.offerId ?? null, leaseMs);
export const loaded = (page) => until('the page’s script', () => page.evaluate(() => window.ready));

export class Stage {
  /** `start` gives a browser with the face of `puppets.mjs`. It is there when the file's tests run, and goes with them. */
  constructor(start) {
    before(() => this.#build(start));
    after(() => Promise.all([this.server, this.strict, this.loose, this.browser].map((part) => part?.stop())));
  }

  async #build(start) {
    // What has started is stopped, also when another one does not start.
    await Promise.all([
      startServer().then((server) => (this.server = server)),
      start().then((browser) => (this.browser = browser)),
      servePackage().then((site) => (this.loose = site)),
    ]);
    this.strict = await servePackage(() => ({ headers: { 'content-security-policy': CSP(this.server.url) } }));
    await this.server.offer('starter');
    await this.server.flag('price', '$1.99');
  }

  /** A page under a strict policy, which lets it reach the real server alone, or another one. */
  async open(t, url = this.strict.url) {
    const page = await this.browser.open(t, url);
    await loaded(page);
    return page;
  }

  /** A page that is online at a peer, which notes what it is asked. */
  async besidePeer(t) {
    const peer = await Peer.start();
    t.after(() => peer.stop());
    const page = await this.open(t, this.loose.url);
    await page.evaluate(async (url) => void (await window.start({ url, token: 'a.b.c' })), peer.url);
    await reaches(page, 'online');
    return { page, peer };
  }

  play(page, player, more = {}) {
    return page.evaluate(async (url, id, options) => void (await window.play(url, id, options)), this.server.url, player, more);
  }

  said(player, event) {
    return until(`the server to know that ${player} ${event}`, async () => (await this.server.events(player)).includes(event));
  }

  gone(player) {
    const sessions = async () => (await this.server.operate('GET', `/admin/players/${player}`)).sessions;
    return until(`${player} to be gone`, async () => (await sessions()).every(({ connected }) => !connected));
  }
}

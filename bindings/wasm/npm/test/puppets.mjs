// Browsers as they are installed, driven by puppeteer: Firefox, which Playwright has only in a build of its own, and Chromium where a tab must
// really be hidden, frozen or put into the back/forward cache, which Playwright keeps from happening. `webkit.mjs` has the same face.

import assert from 'node:assert/strict';
import puppeteer from 'puppeteer-core';
import { bounded, PATIENCE_MS, until, within } from './patience.mjs';

export async function startChromium() {
  const launch = puppeteer.launch({
    browser: 'chrome',
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  });
  return new Puppets(await within('Chromium to start', launch), true);
}

export async function startFirefox() {
  const launch = puppeteer.launch({ browser: 'firefox', executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr' });
  return new Puppets(await within('Firefox to start', launch), false);
}

const THROWN = 'thrown in the page:';

class Puppets {
  #browser;

  /** `patient`: not Firefox, which looks whether a socket is open before the page can close it, and stops a closed tab's script half way. */
  constructor(browser, patient) {
    this.#browser = browser;
    /** Whether its back/forward cache takes a page that is online. */
    this.keepsConnectedPages = patient;
    /** Whether a tab that is closed says its last words for certain. */
    this.hearsClosedTabs = patient;
  }

  /** A page in a profile of its own, closed at the test's end. What it throws fails the test. */
  async open(t, url) {
    const context = await within('a profile', this.#browser.createBrowserContext());
    t.after(() => within('the profile’s end', context.close()));
    const page = bounded(await within('a page', context.newPage()));
    page.setDefaultNavigationTimeout(PATIENCE_MS);
    const errors = [];
    // Not what puppeteer calls errors of the page: Firefox' word on each failed fetch is among them.
    page.on('console', (line) => line.text().startsWith(THROWN) && errors.push(line.text()));
    t.after(() => assert.deepEqual(errors, []));
    await page.evaluateOnNewDocument((thrown) => {
      window.addEventListener('error', ({ error, message }) => console.error(thrown, error?.stack ?? message));
      window.addEventListener('unhandledrejection', ({ reason }) => console.error(thrown, reason?.stack ?? `${reason}`));
    }, THROWN);
    await page.goto(url);
    return page;
  }

  /** Another page of the same profile; it comes to the front. */
  async tab(page, url) {
    const other = bounded(await within('a second page', page.browserContext().newPage()));
    await within('the second page in front', other.bringToFront());
    await other.goto(url);
    return other;
  }

  /** Another tab comes to the front, as a player brings it there; `page` is hidden until the returned function is called. */
  async hide(page) {
    const other = await this.tab(page, 'about:blank');
    await until('the page to be hidden', () => page.evaluate(() => document.visibilityState === 'hidden'));
    return async () => {
      await within('the page in front', page.bringToFront());
      await until('the page to be visible', () => page.evaluate(() => document.visibilityState === 'visible'));
      await within('the other page’s end', other.close());
    };
  }

  /** The back button. The page tells whether it is there. */
  async back(page) {
    // A page out of the cache does not load, which is what puppeteer would wait for.
    await page.goBack({ waitUntil: [] }).catch(() => {});
  }

  /** The tab is closed by the player. */
  leave(page) {
    return within('the tab’s end', page.close({ runBeforeUnload: true }));
  }

  stop() {
    return within('the browser’s end', this.#browser.close());
  }
}

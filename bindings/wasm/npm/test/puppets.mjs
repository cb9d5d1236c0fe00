// Browsers as they are installed, driven by puppeteer: Firefox, which Playwright has only in a build of its own, and Chromium where a tab must
// really be hidden, frozen or put into the back/forward cache, which Playwright keeps from happening.

import assert from 'node:assert/strict';
import puppeteer from 'puppeteer-core';

export function startChromium() {
  return puppeteer.launch({
    browser: 'chrome',
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  });
}

export function startFirefox() {
  return puppeteer.launch({ browser: 'firefox', executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr' });
}

/** A page in a profile of its own, closed at the test's end. What it throws fails the test. */
export async function open(t, browser, url, prepare) {
  const context = await browser.createBrowserContext();
  t.after(() => context.close());
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error));
  t.after(() => assert.deepEqual(errors, []));
  if (prepare) await page.evaluateOnNewDocument(prepare);
  await page.goto(url);
  return page;
}

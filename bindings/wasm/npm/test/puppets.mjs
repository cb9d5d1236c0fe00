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

const THROWN = 'thrown in the page:';

/** A page in a profile of its own, closed at the test's end. What it throws fails the test. */
export async function open(t, browser, url, prepare) {
  const context = await browser.createBrowserContext();
  t.after(() => context.close());
  const page = await context.newPage();
  const errors = [];
  // Not what puppeteer calls errors of the page: Firefox' word on each failed fetch is among them.
  page.on('console', (line) => line.text().startsWith(THROWN) && errors.push(line.text()));
  t.after(() => assert.deepEqual(errors, []));
  await page.evaluateOnNewDocument((thrown) => {
    window.addEventListener('error', ({ error, message }) => console.error(thrown, error?.stack ?? message));
    window.addEventListener('unhandledrejection', ({ reason }) => console.error(thrown, reason?.stack ?? `${reason}`));
  }, THROWN);
  if (prepare) await page.evaluateOnNewDocument(prepare);
  await page.goto(url);
  return page;
}

// WebKit, the engine of Telegram on iPhones and Macs, as Debian packages it (WebKitGTK), driven by plain WebDriver: neither puppeteer nor
// Playwright drives it as it is installed. It wants a display, which is made for it. `puppets.mjs` has the same face.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Builder, Capabilities } from 'selenium-webdriver';
import { bounded, PATIENCE_MS, until, within } from './patience.mjs';

const INSTALL = 'apt-get install --yes webkit2gtk-driver xvfb';
/** Large enough for a phone's page, with the window's frame around it. */
const SCREEN = ['-screen', '0', '1024x1200x24'];
const WINDOW = { width: 480, height: 900 };

/** Starts a program that ends with the test's process, and all that it started in turn. */
async function start(name, args, options) {
  const child = spawn(name, args, { detached: true, ...options });
  const end = () => {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  };
  await once(child, 'spawn').catch((error) => assert.fail(`${name} cannot be started, ${error.message}; ${INSTALL}`));
  process.once('exit', end);
  const ended = once(child, 'exit').then(([code, signal]) => assert.fail(`${name} has ended, ${code ?? signal}`));
  ended.catch(() => {});
  return {
    child,
    /** `promise`, unless the program ends before. */
    lives: (promise) => Promise.race([promise, ended]),
    async stop() {
      process.off('exit', end);
      end();
      await within(`${name}’s end`, ended.catch(() => {}));
    },
  };
}

async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  await new Promise((resolve) => listener.close(resolve));
  return port;
}

export async function startWebKit() {
  const screen = await start('Xvfb', ['-displayfd', '3', '-nolisten', 'tcp', ...SCREEN], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
  const [number] = await within('Xvfb to say its number', screen.lives(once(screen.child.stdio[3], 'data')));
  const port = await freePort();
  const env = {
    ...process.env,
    DISPLAY: `:${`${number}`.trim()}`,
    // Its sandbox wants what a container has not. The pages are ours.
    WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1',
    // There is no graphics card either: without these two it draws a few frames a second.
    LIBGL_ALWAYS_SOFTWARE: '1',
    WEBKIT_DISABLE_DMABUF_RENDERER: '1',
    NO_AT_BRIDGE: '1',
  };
  const driver = await start('WebKitWebDriver', [`--port=${port}`], { stdio: 'ignore', env });
  const url = `http://127.0.0.1:${port}`;
  const answers = () => fetch(`${url}/status`).then(({ ok }) => ok, () => false);
  await driver.lives(until('WebKitWebDriver to answer', answers));
  return new WebKit(url, driver, screen);
}

/** One browser at a time, which is all that the driver can do; each is a profile of its own. */
class WebKit {
  keepsConnectedPages = true;
  hearsClosedTabs = true;
  #url;
  #programs;

  constructor(url, ...programs) {
    this.#url = url;
    this.#programs = programs;
  }

  async #browser() {
    const build = new Builder().usingServer(this.#url).withCapabilities(new Capabilities({ browserName: 'MiniBrowser' })).build();
    const driver = await within('MiniBrowser to start', Promise.resolve(build));
    await driver.manage().setTimeouts({ script: 2 * PATIENCE_MS, pageLoad: PATIENCE_MS });
    await driver.manage().window().setRect(WINDOW);
    return driver;
  }

  /** A page in a browser of its own. What it throws fails the test. */
  async open(t, url) {
    const driver = await this.#browser();
    const page = new Page(driver, await driver.getWindowHandle());
    t.after(async () => {
      try {
        if (!page.closed) assert.deepEqual(await page.evaluate(() => window.thrown ?? []), []);
      } finally {
        await within('MiniBrowser’s end', driver.quit());
      }
    });
    await page.goto(url);
    return page;
  }

  /** Another page of the same profile, in a window of its own: a tab would be opened behind the first. */
  async tab({ driver }, url) {
    await within('a second window', driver.switchTo().newWindow('window'));
    const other = new Page(driver, await driver.getWindowHandle());
    await other.goto(url);
    return other;
  }

  /** The window is minimised until the returned function is called. */
  async hide(page) {
    await page.here();
    await within('the window to be minimised', page.driver.manage().window().minimize());
    await until('the page to be hidden', () => page.evaluate(() => document.visibilityState === 'hidden'));
    return async () => {
      await page.here();
      await within('the window to be restored', page.driver.manage().window().setRect(WINDOW));
      await until('the page to be visible', () => page.evaluate(() => document.visibilityState === 'visible'));
    };
  }

  async back(page) {
    await page.here();
    await within('the way back', page.driver.navigate().back());
  }

  /** Another window is opened before, for the browser ends with its last. */
  async leave(page) {
    await this.tab(page, 'about:blank');
    await page.here();
    page.closed = true;
    await within('the window’s end', page.driver.close());
    const [other] = await page.driver.getAllWindowHandles();
    await page.driver.switchTo().window(other);
  }

  async stop() {
    for (const program of this.#programs) await program.stop();
  }
}

/** A window. Of several one is asked at a time. */
class Page {
  closed = false;

  constructor(driver, handle) {
    Object.assign(this, { driver, handle });
    bounded(this);
  }

  here() {
    return within('the window', this.driver.switchTo().window(this.handle));
  }

  async evaluate(run, ...args) {
    await this.here();
    return this.driver.executeScript(`return (${run}).apply(null, arguments)`, ...args);
  }

  async goto(url) {
    await this.here();
    await within(url, this.driver.get(url));
  }

  async reload() {
    await this.here();
    await within('the page again', this.driver.navigate().refresh());
  }
}

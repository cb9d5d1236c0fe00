// The packed package in fresh projects: installed, bundled with the lines of the README, opened in Chromium, until an offer shows.
// `CASTLINE_BUNDLERS` names those to try; without it all of them.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test as nodeTest } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';
import { serveFolder, startChromium } from './page.mjs';
import { until } from './patience.mjs';
import { startServer } from './server.mjs';

const test = (name, run) => nodeTest(name, { timeout: 300_000 }, run);

const ROOT = join(import.meta.dirname, '..');
const work = mkdtempSync(join(tmpdir(), 'castline-bundlers-'));

let server;
let browser;
let archive;
before(async () => {
  [server, browser, archive] = await Promise.all([startServer(), startChromium(), pack()]);
  await server.offer('starter');
  await server.flag('starter_pack_price', '$1.99');
});
after(async () => {
  await Promise.all([server?.stop(), browser?.close()]);
  rmSync(work, { recursive: true, force: true });
});

/** Runs a command; what it says is the failure's text. */
async function run(cwd, command, ...args) {
  try {
    return (await promisify(execFile)(command, args, { cwd })).stdout;
  } catch (error) {
    throw new Error(`${command} ${args.join(' ')}\n${error.stdout}${error.stderr}`);
  }
}

async function pack() {
  const said = await run(ROOT, 'npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', work);
  return join(work, JSON.parse(said)[0].filename);
}

/** The README's first example, with the server of this test. */
function example() {
  const [, code] = readFileSync(join(ROOT, 'README.md'), 'utf8').match(/```ts\n(.*?)```/s);
  assert.ok(code.includes("url: 'https://live.example.com'"), 'the README names a server');
  return `${code.replace('https://live.example.com', server.url)}\nObject.assign(globalThis, { client, onLevelCompleted });\n`;
}

const javascript = (code) => ts.transpileModule(code, { compilerOptions: { target: 'es2022', module: 'es2022' } }).outputText;

/** What each bundler is told, once `castline` is installed in `folder`; its `dist` is served after that. */
const bundlers = {
  async vite(folder) {
    writeFileSync(join(folder, 'main.ts'), example());
    await run(folder, 'npx', 'vite', 'build', '--logLevel', 'warn');
  },
  async webpack(folder) {
    writeFileSync(join(folder, 'main.js'), javascript(example()));
    const build = `import webpack from 'webpack';
webpack({ mode: 'production', entry: './main.js' }, (error, stats) => {
  if (error || stats.hasErrors() || stats.hasWarnings()) throw error ?? new Error(stats.toString());
});`;
    writeFileSync(join(folder, 'build.mjs'), build);
    await run(folder, 'node', 'build.mjs');
    cpSync(join(folder, 'index.html'), join(folder, 'dist/index.html'));
  },
  async esbuild(folder) {
    writeFileSync(join(folder, 'main.ts'), example());
    await run(folder, 'npx', 'esbuild', 'main.ts', '--bundle', '--format=esm', '--outdir=dist');
    cpSync(join(folder, 'node_modules/castline/dist/castline_bg.wasm'), join(folder, 'dist/castline_bg.wasm'));
    cpSync(join(folder, 'index.html'), join(folder, 'dist/index.html'));
  },
};

/** What the example takes for granted of a game. Runs in the page. */
function game() {
  const show = (id, text) => {
    const part = document.getElementById(id) ?? document.body.appendChild(Object.assign(document.createElement('p'), { id }));
    part.textContent = text;
  };
  Object.assign(window, {
    renderShop: (price) => show('price', price),
    showOffer: async (title, image, left) => (show('offer', title), left > 0),
    showOffline: (cause) => show('offline', cause),
    nextLevel: () => show('level', 'next'),
    hideOffer: () => {},
    reloadState: () => {},
  });
}

const wanted = process.env.CASTLINE_BUNDLERS?.split(',') ?? Object.keys(bundlers);
for (const name of wanted) {
  test(`an offer shows in a game bundled by ${name}`, async (t) => {
    const folder = join(work, name);
    cpSync(join(import.meta.dirname, 'bundlers', name), folder, { recursive: true });
    const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'];
    await run(folder, 'npm', 'ci', ...quiet);
    await run(folder, 'npm', 'install', '--no-save', ...quiet, archive);
    await bundlers[name](folder);

    const player = `${name}-player`;
    const token = async (path) => (path === '/game-token' ? { body: await server.token(player) } : undefined);
    const site = await serveFolder(pathToFileURL(join(folder, 'dist/')), token);
    t.after(() => site.stop());
    const page = await browser.newPage();
    t.after(() => page.close());
    const errors = [];
    page.on('pageerror', (error) => errors.push(error));
    await page.addInitScript(game);
    await page.goto(site.url);
    await page.waitForFunction(() => window.onLevelCompleted);
    assert.equal(await page.textContent('#price'), '$2.99', 'a price that is on the screen stays until the break');
    // The example's break lasts three seconds, in which a busy machine may have no offer: then there is a next one.
    await until('an offer', async () => {
      await page.evaluate(() => window.onLevelCompleted(3));
      return page.$('#offer');
    });
    assert.equal(await page.textContent('#offer'), 'Starter pack');
    assert.equal(await page.textContent('#level'), 'next');
    await page.waitForFunction(() => (window.client.flags.apply(), document.getElementById('price').textContent === '$1.99'));
    assert.equal(await page.$('#offline'), null);
    assert.deepEqual(errors, []);
    // It has told the server, too.
    const offers = async () => (await server.operate('GET', `/admin/players/${player}`)).offers;
    await until('the outcome', async () => (await offers())[0]?.outcome === 'accepted');
  });
}

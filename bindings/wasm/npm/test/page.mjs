// Serves the package to a browser, with whatever headers a test wants, and starts Chromium.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { chromium } from 'playwright-core';

const ROOT = new URL('../', import.meta.url);
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm', '.json': 'application/json' };
/** A policy as strict as the README promises to work with. */
export const CSP = (server) =>
  `default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ${server} ${server.replace('http', 'ws')}`;

/** Serves a folder. `answer(path)` may give `{status, headers, body}` in place of a file. */
export async function serveFolder(root, answer = () => undefined) {
  const http = createServer(async (request, response) => {
    const path = new URL(request.url, 'http://x').pathname;
    const other = (await answer(path)) ?? {};
    let { status = 200, body } = other;
    const headers = { 'content-type': TYPES[extname(path)] ?? 'text/html', ...other.headers };
    try {
      body ??= readFileSync(new URL(path === '/' ? './index.html' : `.${path}`, root));
    } catch {
      [status, body] = [404, 'not here'];
    }
    response.writeHead(status, headers).end(body);
  });
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${http.address().port}/`, stop: () => new Promise((resolve) => (http.close(resolve), http.closeAllConnections())) };
}

const PAGE = '<!doctype html><title>Castline</title><script type="module" src="/test/entry.mjs"></script>';

/** The package and the tests' page. */
export function servePackage(answer = () => undefined) {
  return serveFolder(ROOT, async (path) => {
    const other = await answer(path);
    return path === '/' ? { body: PAGE, ...other } : other;
  });
}

export function startChromium() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

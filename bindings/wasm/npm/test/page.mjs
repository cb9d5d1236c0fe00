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

/** `answer(path)` may give `{status, headers, body}` in place of a file. */
export async function servePackage(answer = () => undefined) {
  const http = createServer((request, response) => {
    const path = new URL(request.url, 'http://x').pathname;
    const other = answer(path) ?? {};
    let { status = 200, body } = other;
    const headers = { 'content-type': TYPES[extname(path)] ?? 'text/html', ...other.headers };
    try {
      body ??= path === '/' ? '<!doctype html><title>Castline</title><script type="module" src="/test/entry.mjs"></script>' : readFileSync(new URL(`.${path}`, ROOT));
    } catch {
      [status, body] = [404, 'not here'];
    }
    response.writeHead(status, headers).end(body);
  });
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${http.address().port}/`, stop: () => new Promise((resolve) => (http.close(resolve), http.closeAllConnections())) };
}

export function startChromium() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

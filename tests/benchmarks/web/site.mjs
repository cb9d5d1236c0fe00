// The page and what it loads: each client bundled with its library by esbuild, minified, and sent gzipped.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { gzipSync } from 'node:zlib';
import esbuild from 'esbuild';

const PACKAGE = new URL('../../../bindings/wasm/npm/', import.meta.url).pathname;
export const CLIENTS = ['castline', 'centrifuge', 'reconnecting-websocket'];
const HEADERS = {
  'content-encoding': 'gzip',
  'cache-control': 'no-store',
  // An isolated page has a clock of 5 µs in place of 100.
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};

export async function startSite() {
  const files = new Map();
  const put = (path, type, bytes) => files.set(path, { type, body: gzipSync(bytes, { level: 9 }) });
  put('/', 'text/html', '<!doctype html><title>Castline</title>');
  put('/castline_bg.wasm', 'application/wasm', readFileSync(`${PACKAGE}dist/castline_bg.wasm`));
  for (const client of CLIENTS) {
    const { outputFiles } = await esbuild.build({
      absWorkingDir: import.meta.dirname,
      entryPoints: [`clients/${client}.mjs`],
      alias: { castline: `${PACKAGE}dist/index.js` },
      bundle: true,
      format: 'esm',
      target: 'es2022',
      minify: true,
      legalComments: 'none',
      write: false,
      logLevel: 'warning',
    });
    put(`/${client}.js`, 'text/javascript', outputFiles[0].contents);
  }
  const http = createServer(({ url }, response) => {
    const file = files.get(url);
    if (!file) return response.writeHead(404).end();
    response.writeHead(200, { ...HEADERS, 'content-type': file.type }).end(file.body);
  });
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
  const size = (path) => files.get(path).body.length;
  return {
    url: `http://127.0.0.1:${http.address().port}/`,
    /** Bytes on the wire. */
    sizes: Object.fromEntries(CLIENTS.map((client) => [client, size(`/${client}.js`) + (client === 'castline' ? size('/castline_bg.wasm') : 0)])),
    stop: () => (http.close(), http.closeAllConnections()),
  };
}

import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { policy } from './dev/policy.ts';
import { telegramMock } from './dev/telegram-mock.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  // So that it can be served from any folder.
  base: './',
  build: { target: 'es2022', modulePreload: { polyfill: false }, assetsInlineLimit: 0 },
  plugins: [policy(process.env['VITE_CASTLINE_URL'] ?? 'http://127.0.0.1:8080'), telegramMock(process.env['DEMO_BOT_TOKEN'])],
  // Within this repository the package is a link to its source; with `npm install castline` this line is not needed.
  server: { fs: { allow: [here('.'), here('../../bindings/wasm/npm')] } },
});

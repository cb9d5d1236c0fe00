// The Content-Security-Policy of the page that is published, in a <meta>: nothing from anywhere but here, the server and Telegram.

import type { Plugin } from 'vite';

export function policy(server: string): Plugin {
  const content = [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval' https://telegram.org",
    "style-src 'self'",
    // A campaign's picture may lie anywhere.
    "img-src 'self' https:",
    `connect-src 'self' ${server} ${server.replace(/^http/, 'ws')}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return {
    name: 'policy',
    // While developing, Vite's own scripts and styles would fall under it.
    apply: 'build',
    transformIndexHtml: () => [{ tag: 'meta', attrs: { 'http-equiv': 'Content-Security-Policy', content }, injectTo: 'head-prepend' }],
  };
}

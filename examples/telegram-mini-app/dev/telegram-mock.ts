// DEVELOPMENT ONLY. Vite's development server signs an `initData` for the page's mock of Telegram. It is no part of what is built.

import type { Plugin } from 'vite';
import { signInitData } from './init-data.mjs';

export function telegramMock(botToken: string | undefined): Plugin {
  return {
    name: 'telegram-mock',
    apply: 'serve',
    configureServer(server) {
      server.middlewares.use('/dev/init-data', (request, response) => {
        const player = Number(new URL(request.url ?? '', 'http://here').searchParams.get('player') ?? 1);
        const ok = botToken !== undefined && Number.isSafeInteger(player) && player > 0;
        // 204: there is no bot to sign for, and the page goes on as a guest's.
        response.writeHead(ok ? 200 : 204, { 'content-type': 'text/plain', 'cache-control': 'no-store' });
        response.end(ok ? signInitData(botToken, player) : undefined);
      });
    },
  };
}

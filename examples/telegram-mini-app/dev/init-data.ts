// DEVELOPMENT ONLY. An `initData` as Telegram would sign it, with the bot token of a server on this machine.

import { createHmac } from 'node:crypto';

export function signInitData(botToken: string, player: number, now = Date.now()): string {
  const pairs: [string, string][] = [
    ['auth_date', `${Math.floor(now / 1_000)}`],
    ['query_id', 'AAHdevelopment'],
    ['user', JSON.stringify({ id: player, first_name: 'Angler', language_code: 'en' })],
  ];
  const secret = createHmac('sha256', 'WebAppData').update(botToken).digest();
  const text = pairs.map(([name, value]) => `${name}=${value}`).join('\n');
  const hash = createHmac('sha256', secret).update(text).digest('hex');
  return new URLSearchParams([...pairs, ['hash', hash]]).toString();
}

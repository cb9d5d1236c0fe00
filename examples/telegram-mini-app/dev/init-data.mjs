// DEVELOPMENT ONLY. An `initData` as Telegram would sign it, with the bot token of a server on this machine.

import { createHmac } from 'node:crypto';

/**
 * @param {string} botToken
 * @param {number} player Telegram's id
 * @returns {string}
 */
export function signInitData(botToken, player) {
  /** @type {[string, string][]} */
  const pairs = [
    ['auth_date', `${Math.floor(Date.now() / 1_000)}`],
    ['query_id', 'AAHdevelopment'],
    ['user', JSON.stringify({ id: player, first_name: 'Angler', language_code: 'en' })],
  ];
  const secret = createHmac('sha256', 'WebAppData').update(botToken).digest();
  const text = pairs.map(([name, value]) => `${name}=${value}`).join('\n');
  const hash = createHmac('sha256', secret).update(text).digest('hex');
  return new URLSearchParams([...pairs, ['hash', hash]]).toString();
}

// Who plays, and by whose word: Telegram's, a stand-in's (development only), or a guest's.

import { type Client, connect, type Options } from 'castline';
import { connectTelegram, mockTelegram } from 'castline/telegram';
import { loadTelegram } from './telegram.js';

export interface Host {
  kind: 'telegram' | 'mock' | 'guest';
  connect(options: Pick<Options, 'url' | 'build' | 'flagUpdates' | 'log'>): Promise<Client>;
  /** For the debug drawer: what happens when the player looks elsewhere and back. */
  away(client: Client, on: boolean): void;
}

/** The page's life as told by hand, where nobody else can be made to tell it. */
const byHand = (client: Client, on: boolean): void => client.lifecycle(on ? 'background' : 'foreground');

export async function findHost(query: URLSearchParams): Promise<Host> {
  const app = await loadTelegram();
  if (app) return { kind: 'telegram', connect: connectTelegram, away: byHand };
  // Everything in here is left out of the page that is published.
  if (import.meta.env.DEV && !query.has('guest')) {
    const mock = await startMock(query.get('player') ?? '1', query.get('startapp') ?? undefined);
    if (mock) {
      return { kind: 'mock', connect: connectTelegram, away: (_, on) => mock.fire(on ? 'deactivated' : 'activated') };
    }
  }
  return { kind: 'guest', connect: connectGuest, away: byHand };
}

/** DEVELOPMENT ONLY: Vite signs an `initData` with the demo bot's token (`dev/telegram-mock.ts`). */
async function startMock(player: string, startParam?: string): Promise<ReturnType<typeof mockTelegram> | undefined> {
  const answer = await fetch(`/dev/init-data?player=${encodeURIComponent(player)}`).catch(() => undefined);
  if (answer?.status !== 200 || answer.headers.get('content-type') !== 'text/plain') return undefined;
  return mockTelegram(await answer.text(), startParam);
}

/**
 * Outside Telegram nobody vouches for the player. A server with `--dev` gives a token to anybody; elsewhere there is none, and a guest
 * has flags but no offers.
 */
function connectGuest(options: Parameters<Host['connect']>[0]): Promise<Client> {
  const playerId = guestId();
  const token = async (): Promise<string> => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${options.url}/auth/token`, { method: 'POST', headers, body: JSON.stringify({ playerId }) });
    if (!answer.ok) throw new Error(`no token for a guest: ${answer.status}`);
    return ((await answer.json()) as { token: string }).token;
  };
  return connect({ ...options, playerId, token });
}

function guestId(): string {
  const fresh = `guest-${crypto.getRandomValues(new Uint32Array(2)).join('')}`;
  try {
    const kept = localStorage.getItem('still-water-guest') ?? fresh;
    localStorage.setItem('still-water-guest', kept);
    return kept;
  } catch {
    return fresh;
  }
}

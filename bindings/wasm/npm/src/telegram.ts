// Mini Apps: Telegram's signed word in place of a token, and its word on the app's life.

import { open } from './connect.js';
import { invalid } from './error.js';
import type { Client, Options, Outcome } from './types.js';

export type TelegramOptions = Omit<Options, 'token' | 'playerId'>;

/** What is used of `window.Telegram.WebApp`. */
export interface WebApp {
  readonly initData: string;
  readonly initDataUnsafe?: { start_param?: string };
  onEvent?(name: 'activated' | 'deactivated', listener: () => void): void;
  offEvent?(name: 'activated' | 'deactivated', listener: () => void): void;
  openInvoice?(url: string, done: (status: InvoiceStatus) => void): void;
}

export type InvoiceStatus = 'paid' | 'cancelled' | 'failed' | 'pending';

/** Telegram's object, where the page runs in a Mini App and `telegram-web-app.js` is loaded. */
export function webApp(): WebApp | undefined {
  return (globalThis as { Telegram?: { WebApp?: WebApp } }).Telegram?.WebApp;
}

/**
 * As `connect`: the player is Telegram's. The raw `initData` goes to `POST /auth/telegram`, which answers with a token; when that is
 * used up, the next one is asked for in the same way, once at a time. `activated` and `deactivated` are told to the core beside what
 * the page says of itself. Theme and viewport are the game's.
 *
 * Outside Telegram it rejects with `INVALID_ARGUMENT`; for development there is `mockTelegram`.
 */
export async function connectTelegram(options: TelegramOptions): Promise<Client> {
  const app = webApp();
  if (!app?.initData) throw invalid('initData is empty: this page does not run in Telegram (see mockTelegram)');
  const client = await open({ ...options, token: '' }, app.initData);
  const qa = qaOverride();
  if (qa !== undefined) {
    const { flags } = client;
    const set = flags.setAttributes.bind(flags);
    flags.setAttributes = (attributes) => set({ ...attributes, qa });
    flags.setAttributes({});
  }
  if ((options.lifecycle ?? 'automatic') === 'manual') return client;
  const activated = (): void => client.lifecycle('foreground');
  const deactivated = (): void => client.lifecycle('background');
  app.onEvent?.('activated', activated);
  app.onEvent?.('deactivated', deactivated);
  client.on('stateChanged', ({ state }) => {
    if (state !== 'closed') return;
    app.offEvent?.('activated', activated);
    app.offEvent?.('deactivated', deactivated);
  });
  return client;
}

/**
 * A tester's override from the link `https://t.me/<bot>/<app>?startapp=qa-…`: what follows `qa-`. `connectTelegram` sends it as the
 * attribute `qa`, for a targeting rule to ask for. Anybody can write such a link, so a rule on money must ask for more.
 */
export function qaOverride(): string | undefined {
  const start = webApp()?.initDataUnsafe?.start_param;
  return start?.startsWith('qa-') ? start.slice(3) : undefined;
}

/** Opens an invoice for an offer, and tells the server what came of it. Resolves to Telegram's status. */
export function payOffer(client: Client, offerId: string, invoiceUrl: string): Promise<InvoiceStatus> {
  const app = webApp();
  if (!app?.openInvoice) return Promise.reject(invalid('openInvoice is not there: this page does not run in Telegram'));
  return new Promise((resolve) => {
    app.openInvoice?.(invoiceUrl, (status) => {
      const outcome: Outcome | undefined =
        status === 'paid' ? 'accepted' : status === 'cancelled' ? 'declined' : undefined;
      // `failed` may be tried again and `pending` is not decided: neither closes the offer.
      if (outcome && client.state !== 'closed') client.offers.result(offerId, outcome);
      resolve(status);
    });
  });
}

/**
 * FOR DEVELOPMENT ONLY. Puts a stand-in in the place of Telegram's object where there is none, so that a page can be tried in an
 * ordinary browser. The server must know the bot token that signed `initData`; it takes no other word than a signed one.
 */
export function mockTelegram(initData: string, startParam?: string): { fire(name: 'activated' | 'deactivated'): void } {
  const listeners = new Map<string, Set<() => void>>();
  const of = (name: string): Set<() => void> => {
    const all = listeners.get(name) ?? new Set();
    listeners.set(name, all);
    return all;
  };
  const mock: WebApp = {
    initData,
    initDataUnsafe: startParam === undefined ? {} : { start_param: startParam },
    onEvent: (name, listener) => void of(name).add(listener),
    offEvent: (name, listener) => void of(name).delete(listener),
    openInvoice: (url, done) => {
      console.warn(`castline: MOCK of Telegram: the invoice ${url} counts as paid`);
      setTimeout(() => done('paid'));
    },
  };
  if (webApp()?.initData) throw invalid('this page runs in Telegram: it needs no mock');
  console.warn('castline: MOCK of Telegram, for development only');
  (globalThis as { Telegram?: { WebApp: WebApp } }).Telegram = { WebApp: mock };
  return { fire: (name) => of(name).forEach((listener) => listener()) };
}

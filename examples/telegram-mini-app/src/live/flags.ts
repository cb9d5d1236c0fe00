// The flags that this game reads. A default is a decision: it is what a player has who never gets through to the server.

import type { Client } from 'castline';

export interface GameFlags {
  /** Words, not a number: a price is shown as the shop says it. */
  price: string;
  /** How lively the fish are; 1 is as drawn up. */
  fishSpeed: number;
  shopTheme: 'lagoon' | 'sunset';
  offerLayout: 'sheet' | 'card';
}

export const DEFAULTS: GameFlags = { price: '$4.99', fishSpeed: 1, shopTheme: 'lagoon', offerLayout: 'sheet' };

export const NAMES = {
  price: 'starter_pack_price',
  fishSpeed: 'fish_speed',
  shopTheme: 'shop_theme',
  offerLayout: 'offer_layout',
} as const satisfies Record<keyof GameFlags, string>;

/** What they say now. Before there is a client, and without a network, that is an answer too. */
export function readFlags(client: Client | undefined): GameFlags {
  if (!client) return DEFAULTS;
  const { flags } = client;
  // An operator's slip of the finger must not make a fish fly: what makes no sense here is the default.
  const speed = flags.float(NAMES.fishSpeed, DEFAULTS.fishSpeed);
  const theme = flags.string(NAMES.shopTheme, DEFAULTS.shopTheme);
  const layout = flags.string(NAMES.offerLayout, DEFAULTS.offerLayout);
  return {
    price: flags.string(NAMES.price, DEFAULTS.price),
    fishSpeed: speed >= 0.5 && speed <= 2 ? speed : DEFAULTS.fishSpeed,
    shopTheme: theme === 'sunset' ? theme : DEFAULTS.shopTheme,
    offerLayout: layout === 'card' ? layout : DEFAULTS.offerLayout,
  };
}

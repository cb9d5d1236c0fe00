// The first screen. It shows what the flags say, from the first moment, and waits for nothing: whoever wants to fish, fishes.

import type { Client } from 'castline';
import { DEFAULTS, type GameFlags, NAMES, readFlags } from '../live/flags.js';
import { get } from './dom.js';

/** Nobody plays yet, so the whole screen is a safe point: what was fetched may show at once. Nothing tells that it waits; asking costs nothing. */
const LOOK = 200;

export class Boot {
  private readonly root = get('boot');
  private looking: ReturnType<typeof setInterval> | undefined;

  constructor(start: () => void) {
    this.show(DEFAULTS, 'the default');
    get('start').addEventListener('click', start);
  }

  get open(): boolean {
    return !this.root.hidden;
  }

  /** The last run's flags, and then the fetched ones. */
  follow(client: Client): void {
    const look = (): void => {
      client.flags.apply();
      const known = client.flags.variant(NAMES.price) !== undefined;
      const kept = ['CACHED', 'STALE'].includes(client.flags.reason(NAMES.price));
      this.show(readFlags(client), !known ? 'the default' : kept ? 'from your last visit' : 'from the server');
    };
    look();
    if (this.open) this.looking = setInterval(look, LOOK);
  }

  close(): void {
    this.root.hidden = true;
    clearInterval(this.looking);
  }

  private show(flags: GameFlags, why: string): void {
    this.root.dataset['theme'] = flags.shopTheme;
    get('boot-price').textContent = flags.price;
    get('boot-why').textContent = why;
  }
}

// The fish on the hook. Reel while it is calm, let go while it pulls: the line breaks above 1, and a slack one lets the fish slip off.

import { clamp } from './lake.js';
import { between, type Random } from './random.js';
import type { Species } from './species.js';

/** From here on it is dangerous; between the two reeling is fastest. */
export const SWEET = { from: 0.4, to: 0.84 };
const SLACK = 0.25;

export type FightEnd = 'landed' | 'snapped' | 'slipped';

export interface Tackle {
  /** The golden rod forgives more. */
  strong: boolean;
  /** Twice the time for everything, and no break. */
  relaxed: boolean;
  pace: number;
}

export class Fight {
  /** Of the line: 0 slack, 1 breaks. */
  tension = 0.35;
  /** How hard it pulls just now. */
  pull = 0.2;
  /** A surge is about to begin: the hand feels it. */
  warned = false;
  surging = false;
  /** How far to the pier, 1 to 0. */
  left = 1;
  private until: number;
  /** Seconds of good reeling that it takes. */
  private readonly reelTime: number;
  private over = 0;
  private slack = 0;
  private time = 0;

  constructor(
    private readonly species: Species,
    start: number,
    private readonly tackle: Tackle,
    private readonly random: Random,
  ) {
    // The hook stings: the first surge comes soon.
    this.until = between(random, 0.5, 0.9);
    this.reelTime = (1.3 + 6.5 * species.length) * (0.7 + 0.6 * start);
  }

  update(dt: number, reeling: boolean): FightEnd | undefined {
    this.time += dt;
    this.turns();
    const { strength } = this.species;
    const { strong, relaxed } = this.tackle;
    const wanted = this.surging ? strength : 0.18;
    this.pull += (wanted - this.pull) * Math.min(1, dt * 7);
    const stretch = (reeling ? 0.52 + 0.72 * this.pull : 0.04 + 0.46 * this.pull) * (strong ? 0.9 : 1) * (relaxed ? 0.84 : 1);
    this.tension += (stretch - this.tension) * Math.min(1, dt * (reeling ? 2.9 : 3.2));
    const sweet = this.tension > SWEET.from && this.tension < SWEET.to;
    const winch = reeling ? (sweet ? 1 : 0.45) * (1.1 - 0.6 * this.pull) : -0.4 * this.pull * this.pull;
    this.left = clamp(this.left - (winch * dt) / this.reelTime, 0, 1.25);

    this.over = this.tension >= 1 ? this.over + dt : 0;
    if (reeling) this.slack = Math.max(0, this.slack - dt);
    else if (this.tension < SLACK) this.slack += dt;
    if (this.left <= 0) return 'landed';
    if (this.over > (relaxed ? Infinity : 0.2)) return 'snapped';
    if (this.slack > (relaxed ? 6 : 2.4)) return 'slipped';
    return undefined;
  }

  get danger(): boolean {
    return this.tension > SWEET.to || (this.surging && this.pull > 0.5);
  }

  private turns(): void {
    this.warned = !this.surging && this.until - this.time < 0.4;
    if (this.time < this.until) return;
    this.surging = !this.surging;
    const surge = between(this.random, 0.6, 1.05) * (this.tackle.relaxed ? 1.3 : 1);
    this.until = this.time + (this.surging ? surge : this.calm());
  }

  private calm(): number {
    const mean = 60 / (this.species.surges * this.tackle.pace) - 0.95;
    return Math.max(0.8, mean * between(this.random, 0.7, 1.35)) * (this.tackle.relaxed ? 1.5 : 1);
  }
}

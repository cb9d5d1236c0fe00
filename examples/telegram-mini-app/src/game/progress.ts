// What the player has: level, pearls, album, rod. Kept in localStorage, as well as it goes.

import { RARE, type Species } from './species.js';

const KEY = 'still-water';

interface Kept {
  level: number;
  caught: number;
  pearls: number;
  album: Record<string, number>;
  golden: boolean;
  relaxed: boolean;
  sound: boolean;
}

const FRESH: Kept = { level: 1, caught: 0, pearls: 0, album: {}, golden: false, relaxed: false, sound: false };

/** Fish of a level. */
export const needed = (level: number): number => Math.min(5, 3 + Math.floor((level - 1) / 2));

export interface Landing {
  pearls: number;
  /** The first of its kind. */
  first: boolean;
  record: boolean;
  /** How many kinds the album has. */
  kinds: number;
  rare: boolean;
  levelDone: boolean;
}

export class Progress {
  private kept: Kept;

  constructor() {
    this.kept = read();
  }

  get level(): number {
    return this.kept.level;
  }
  get caught(): number {
    return this.kept.caught;
  }
  get pearls(): number {
    return this.kept.pearls;
  }
  get golden(): boolean {
    return this.kept.golden;
  }
  get relaxed(): boolean {
    return this.kept.relaxed;
  }
  set relaxed(on: boolean) {
    this.kept.relaxed = on;
    this.write();
  }

  get sound(): boolean {
    return this.kept.sound;
  }
  set sound(on: boolean) {
    this.kept.sound = on;
    this.write();
  }
  /** Has never landed a fish. */
  get novice(): boolean {
    return !Object.keys(this.kept.album).length;
  }

  land(species: Species, weight: number): Landing {
    const { kept } = this;
    const best = kept.album[species.id] ?? 0;
    kept.album[species.id] = Math.max(best, weight);
    kept.caught += 1;
    kept.pearls += species.pearls;
    const levelDone = kept.caught >= needed(kept.level);
    this.write();
    return {
      pearls: species.pearls,
      first: best === 0,
      record: best > 0 && weight > best,
      kinds: Object.keys(kept.album).length,
      rare: species.rarity >= RARE,
      levelDone,
    };
  }

  nextLevel(): void {
    this.kept.level += 1;
    this.kept.caught = 0;
    this.write();
  }

  give(pearls: number, golden: boolean): void {
    this.kept.pearls += pearls;
    this.kept.golden ||= golden;
    this.write();
  }

  private write(): void {
    try {
      localStorage.setItem(KEY, JSON.stringify(this.kept));
    } catch {
      // Denied or full: then it is for this visit.
    }
  }
}

function read(): Kept {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Kept>;
    const number = (value: unknown, or: number): number => (typeof value === 'number' && value >= or ? value : or);
    return {
      level: number(kept.level, 1),
      caught: number(kept.caught, 0),
      pearls: number(kept.pearls, 0),
      album: typeof kept.album === 'object' && kept.album ? kept.album : {},
      golden: kept.golden === true,
      relaxed: kept.relaxed === true,
      sound: kept.sound === true,
    };
  } catch {
    return { ...FRESH, album: {} };
  }
}

// The rules: cast, wait, strike, reel, land. It knows no screen and no clock; `update` is told how much time has gone by.

import { Fight, type FightEnd, type Tackle } from './fight.js';
import { distance, mix, SHORE, type Spot, within } from './lake.js';
import { between, type Random } from './random.js';
import { type Fish, Shoal } from './shoal.js';

export type Phase = 'idle' | 'cast' | 'wait' | 'bite' | 'fight' | 'landing' | 'caught' | 'lost';
export type Why = 'early' | 'late' | 'snapped' | 'slipped';

export type GameEvent =
  | { kind: 'phase'; phase: Phase; why?: Why }
  | { kind: 'splash'; at: Spot; power: number }
  | { kind: 'nibble'; at: Spot }
  | { kind: 'surge'; at: Spot }
  | { kind: 'caught'; fish: Fish; weight: number };

/** Seconds. */
export const FLIGHT = 0.8;
export const LEAP = 1.15;
const SULK = 1.2;
/** How near a curious fish comes. */
const REACH = 0.05;

export class Game {
  phase: Phase = 'idle';
  /** Seconds in this phase. */
  time = 0;
  aim: Spot = { x: 0.08, z: 0.5 };
  float: Spot = { x: 0, z: 0.4 };
  /** The fish that matters now. */
  fish: Fish | undefined;
  fight: Fight | undefined;
  held = false;
  /** How far a nibble has drawn the float down, 1 to 0. */
  dip = 0;
  why: Why | undefined;
  shoal: Shoal;
  tackle: Tackle = { strong: false, relaxed: false, pace: 1 };
  private weight = 0;
  private nibbles = 0;
  private nextNibble = 0;
  private hookedAt = 0;
  private caughtOnce = false;

  constructor(
    private readonly random: Random,
    private readonly tell: (event: GameEvent) => void,
  ) {
    this.shoal = new Shoal(random);
  }

  /** A finger, a mouse button or a key goes down. */
  press(at?: Spot): void {
    this.held = true;
    if (at) this.aim = within(at);
    switch (this.phase) {
      case 'idle':
        return this.cast();
      case 'wait':
        return this.nibbling ? this.lose('early') : this.cast();
      case 'bite':
        return this.strike();
      default:
    }
  }

  release(): void {
    this.held = false;
  }

  aimBy(dx: number, dz: number): void {
    this.aim = within({ x: this.aim.x + dx, z: this.aim.z + dz });
  }

  /** The catch was looked at; the lake is calm again. */
  resume(): void {
    if (this.phase === 'caught') this.enter('idle');
  }

  /** How long a bite can be struck. */
  get window(): number {
    return (this.caughtOnce ? 0.95 : 1.3) * (this.tackle.relaxed ? 2.2 : 1);
  }

  private get nibbling(): boolean {
    return this.fish !== undefined && distance(this.fish, this.float) < REACH * 2.2;
  }

  update(dt: number): void {
    this.time += dt;
    this.dip = Math.max(0, this.dip - dt * 3.2);
    this.shoal.update(dt, this.tackle.pace);
    switch (this.phase) {
      case 'cast':
        if (this.time >= FLIGHT) this.touchDown();
        return;
      case 'wait':
        return this.wait();
      case 'bite':
        if (this.time > this.window) this.lose('late');
        return;
      case 'fight':
        return this.pull(dt);
      case 'landing':
        if (this.time >= LEAP) this.land();
        return;
      case 'lost':
        if (this.time >= SULK) this.enter('idle');
        return;
      default:
    }
  }

  private enter(phase: Phase, why?: Why): void {
    this.phase = phase;
    this.time = 0;
    this.why = why;
    this.tell(why ? { kind: 'phase', phase, why } : { kind: 'phase', phase });
  }

  private cast(): void {
    this.letGo();
    this.float = { ...this.aim };
    this.enter('cast');
  }

  private touchDown(): void {
    this.tell({ kind: 'splash', at: this.float, power: 0.6 });
    this.shoal.startle(this.float, 0.09);
    this.nibbles = 1 + Math.floor(this.random() * 3);
    this.enter('wait');
  }

  private wait(): void {
    if (!this.fish) {
      // Near fish look first; after a while any fish does, for nobody likes to wait for ever.
      const reach = this.time < 0.5 ? 0 : this.time < 2.6 ? 0.55 : 4;
      this.fish = this.shoal.entice(this.float, reach);
      return;
    }
    const { fish, float } = this;
    const side = fish.x < float.x ? -1 : 1;
    fish.goal = { x: float.x + side * REACH, z: float.z };
    if (!this.nibbling) {
      // One that has far to come is not to be waited for any longer than the others.
      if (this.time > 4) fish.speed = Math.max(fish.speed, 0.4);
      this.nextNibble = this.time + 0.5;
      return;
    }
    if (this.time < this.nextNibble) return;
    this.nextNibble = this.time + between(this.random, 0.5, 1.05);
    this.nibbles -= 1;
    if (this.nibbles >= 0) {
      this.dip = 1;
      return this.tell({ kind: 'nibble', at: float });
    }
    this.tell({ kind: 'splash', at: float, power: 0.5 });
    this.enter('bite');
  }

  private strike(): void {
    const fish = this.fish as Fish;
    fish.mood = 'hooked';
    const [light, heavy] = fish.species.weight;
    this.weight = Math.round(mix(light, heavy, this.random() ** 1.6) * 10) / 10;
    this.hookedAt = this.float.z;
    const reach = this.hookedAt - SHORE.near + 0.1;
    // The first one is for learning.
    const tackle = this.caughtOnce ? this.tackle : { ...this.tackle, strong: true };
    this.fight = new Fight(fish.species, reach, tackle, this.random);
    this.tell({ kind: 'splash', at: this.float, power: 1 });
    this.enter('fight');
  }

  private pull(dt: number): void {
    const fight = this.fight as Fight;
    const fish = this.fish as Fish;
    const surging = fight.surging;
    const end = fight.update(dt, this.held);
    if (fight.surging && !surging) this.tell({ kind: 'surge', at: this.float });
    const z = mix(SHORE.near - 0.06, this.hookedAt, fight.left);
    const sway = Math.sin(this.time * (fight.surging ? 4.6 : 2.1)) * (fight.surging ? 0.34 : 0.12) * dt * (0.4 + fight.pull);
    this.float = { x: mix(this.float.x + sway * 2.4, 0.05, dt * (this.held ? 0.55 : 0.1)), z };
    fish.heading = fight.surging ? Math.PI / 2 + Math.sin(this.time * 5) * 0.6 : -Math.PI / 2 + Math.sin(this.time * 3) * 0.5;
    fish.x = this.float.x + 0.01;
    fish.z = this.float.z;
    fish.phase += dt * (10 + fight.pull * 22);
    fish.seen = 1;
    if (end) this.ended(end);
  }

  private ended(end: FightEnd): void {
    if (end !== 'landed') return this.lose(end);
    this.tell({ kind: 'splash', at: this.float, power: 1.6 });
    this.enter('landing');
  }

  private land(): void {
    const fish = this.fish as Fish;
    this.fight = undefined;
    this.fish = undefined;
    this.caughtOnce = true;
    this.shoal.remove(fish);
    this.enter('caught');
    this.tell({ kind: 'caught', fish, weight: this.weight });
  }

  private lose(why: Why): void {
    this.tell({ kind: 'splash', at: this.float, power: why === 'early' ? 0.4 : 0.9 });
    if (this.fish) this.shoal.flee(this.fish, { x: this.float.x, z: this.float.z - 0.2 });
    this.fish = undefined;
    this.fight = undefined;
    this.enter('lost', why);
  }

  private letGo(): void {
    if (this.fish) this.fish.mood = 'roams';
    this.fish = undefined;
  }
}

// The fish that swim about, what makes one curious of a float, and what scares it off.

import { clamp, distance, SHORE, type Spot } from './lake.js';
import { between, type Random, seeded } from './random.js';
import { pick, type Species } from './species.js';

export interface Fish extends Spot {
  species: Species;
  /** Where it looks, radians in the lake's plane. */
  heading: number;
  speed: number;
  /** Of its tail. */
  phase: number;
  mood: 'roams' | 'curious' | 'flees' | 'hooked';
  goal: Spot;
  /** 0 unseen in the deep, 1 just below the surface. */
  seen: number;
  /** Its own chance: how often one frame asks must not decide what another fish does. */
  random: Random;
}

const COUNT = 7;
const TAU = Math.PI * 2;

export class Shoal {
  readonly fish: Fish[] = [];

  constructor(private readonly random: Random) {
    for (let n = 0; n < COUNT; n += 1) this.spawn(0.4 + 0.6 * random());
  }

  spawn(seen = 0, known?: Species): void {
    const random = seeded(this.random() * 2 ** 32);
    const place = anywhere(random);
    const species = pick(random);
    this.fish.push({
      ...place,
      species: known ?? species,
      heading: random() * TAU,
      speed: 0.07,
      phase: random() * TAU,
      mood: 'roams',
      goal: anywhere(random),
      seen,
      random,
    });
  }

  /** It is out of the water: another one takes its place. One that got away comes back. */
  remove(fish: Fish, away = false): void {
    const at = this.fish.indexOf(fish);
    if (at >= 0) this.fish.splice(at, 1);
    this.spawn(0, away ? fish.species : undefined);
  }

  /** The next one to come to the float; one that it fell upon flees. */
  entice(float: Spot, reach: number): Fish | undefined {
    const free = this.fish.filter((fish) => fish.mood === 'roams' && fish.seen > 0.3 && distance(fish, float) < reach);
    free.sort((a, b) => distance(a, float) - distance(b, float));
    const [first] = free;
    if (first) first.mood = 'curious';
    return first;
  }

  /** A float that falls onto a fish is no bait. */
  startle(at: Spot, reach: number): void {
    for (const fish of this.fish) if (fish.mood === 'roams' && distance(fish, at) < reach) this.flee(fish, at);
  }

  flee(fish: Fish, from: Spot): void {
    const away = Math.atan2(fish.z - from.z, fish.x - from.x);
    fish.mood = 'flees';
    fish.goal = { x: fish.x + Math.cos(away) * 0.9, z: clamp(fish.z + Math.sin(away) * 0.6, SHORE.near, 1.1) };
  }

  update(dt: number, pace: number): void {
    for (const fish of [...this.fish]) {
      if (fish.mood === 'hooked') continue;
      const far = distance(fish, fish.goal);
      const wanted = fish.mood === 'flees' ? 0.75 : fish.mood === 'curious' ? clamp(far * 1.1, 0.02, 0.4) : 0.085;
      fish.speed += (wanted * pace - fish.speed) * Math.min(1, dt * (fish.mood === 'flees' ? 8 : 2.5));
      const want = Math.atan2(fish.goal.z - fish.z, fish.goal.x - fish.x);
      const turn = Math.atan2(Math.sin(want - fish.heading), Math.cos(want - fish.heading));
      const most = (fish.mood === 'roams' ? 1.3 : 5) * dt;
      if (far > 0.015) fish.heading += clamp(turn, -most, most);
      fish.x += Math.cos(fish.heading) * fish.speed * dt;
      fish.z += Math.sin(fish.heading) * fish.speed * 0.62 * dt;
      fish.phase += dt * (4 + fish.speed * 40);
      fish.seen = clamp(fish.seen + (fish.mood === 'flees' ? -dt * 1.4 : dt * 0.5), 0, 1);
      if (fish.mood === 'roams' && far < 0.12) fish.goal = anywhere(fish.random);
      if (fish.mood === 'flees' && (fish.seen <= 0 || far < 0.1)) this.remove(fish, true);
    }
  }
}

const anywhere = (random: Random): Spot => ({ x: between(random, SHORE.left, SHORE.right), z: between(random, 0.24, SHORE.far) });

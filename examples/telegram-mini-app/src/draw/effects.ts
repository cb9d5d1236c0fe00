// What flies about for a moment: drops, sparks of joy, fireflies.

import { clamp, type Lake, type Spot } from '../game/lake.js';
import { between, seeded } from '../game/random.js';
import { faint, type Palette } from './palette.js';

interface Drop {
  x: number;
  y: number;
  vx: number;
  vy: number;
  age: number;
  life: number;
  size: number;
  colour: string | undefined;
}

const MOST = 140;
const random = seeded(37);
const FLIES = Array.from({ length: 12 }, () => ({ x: random(), y: random(), phase: random() * 7, speed: between(random, 0.3, 0.7) }));
const JOY = ['#ffd35c', '#fff3c4', '#ff9d6c', '#8fe3d0', '#b7c6ff'];

export class Effects {
  private readonly drops: Drop[] = [];
  /** How strongly the hand shakes; it dies away. */
  shake = 0;

  constructor(private readonly calm: () => boolean) {}

  splash(lake: Lake, at: Spot, power: number): void {
    const { x, y, scale } = lake.place(at);
    const count = Math.round((this.calm() ? 5 : 14) * power);
    for (let n = 0; n < count; n += 1) {
      const up = between(random, 60, 210) * scale * Math.sqrt(power);
      this.add({ x, y, vx: between(random, -70, 70) * scale * power, vy: -up, age: 0, life: between(random, 0.4, 0.85), size: between(random, 1.2, 3.2) * scale, colour: undefined });
    }
  }

  /** Off something wet. */
  drip(x: number, y: number, unit: number): void {
    this.add({ x: x + between(random, -30, 30) * unit, y, vx: between(random, -20, 20), vy: between(random, -20, 40), age: 0, life: 0.7, size: between(random, 1.2, 2.6) * unit, colour: undefined });
  }

  joy(x: number, y: number, count: number, unit: number): void {
    for (let n = 0; n < (this.calm() ? 0 : count); n += 1) {
      const [angle, speed] = [random() * 6.283, between(random, 60, 320) * unit];
      this.add({ x, y, vx: Math.cos(angle) * speed, vy: Math.sin(angle) * speed - 80 * unit, age: 0, life: between(random, 0.7, 1.5), size: between(random, 1.6, 4) * unit, colour: JOY[n % JOY.length] });
    }
  }

  jolt(power: number): void {
    if (!this.calm()) this.shake = Math.max(this.shake, power);
  }

  draw(c: CanvasRenderingContext2D, lake: Lake, palette: Palette, dt: number): void {
    this.shake = Math.max(0, this.shake - dt * 2.6);
    for (const drop of [...this.drops]) {
      drop.age += dt;
      if (drop.age > drop.life) {
        this.drops.splice(this.drops.indexOf(drop), 1);
        continue;
      }
      drop.vy += (drop.colour ? 260 : 560) * lake.unit * dt;
      drop.x += drop.vx * dt;
      drop.y += drop.vy * dt;
      c.globalAlpha = clamp((1 - drop.age / drop.life) * 1.6, 0, 0.95);
      c.fillStyle = drop.colour ?? palette.glint;
      c.beginPath();
      c.arc(drop.x, drop.y, drop.size, 0, 7);
      c.fill();
    }
    c.globalAlpha = 1;
  }

  /** By night, over the reeds. */
  fireflies(c: CanvasRenderingContext2D, { width, height, shore, unit }: Lake, palette: Palette, time: number): void {
    if (palette.night < 0.45) return;
    for (const { x, y, phase, speed } of FLIES) {
      const shine = Math.max(0, Math.sin(time * speed * 2 + phase)) * (palette.night - 0.45) * 1.7;
      const px = (x < 0.5 ? x * 0.5 : 0.5 + x * 0.5) * width + Math.sin(time * speed + phase) * 14;
      const py = shore - (y * 0.34 + 0.02) * height + Math.cos(time * speed * 0.8 + phase) * 10;
      c.fillStyle = faint('rgb(255 232 140)', shine * 0.25);
      c.beginPath();
      c.arc(px, py, 6 * unit, 0, 7);
      c.fill();
      c.fillStyle = faint('rgb(255 244 190)', shine);
      c.beginPath();
      c.arc(px, py, 1.6 * unit, 0, 7);
      c.fill();
    }
  }

  private add(drop: Drop): void {
    if (this.drops.length < MOST) this.drops.push(drop);
  }
}

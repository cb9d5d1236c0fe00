// The lake's surface: its colour, the path of light, the waves, and the rings that things make.

import { type Lake, mix, type Spot } from '../game/lake.js';
import { between, seeded } from '../game/random.js';
import { faint, type Palette } from './palette.js';
import { lightAt } from './sky.js';

const random = seeded(23);
const WAVES = Array.from({ length: 54 }, () => ({ x: between(random, -1.2, 1.2), z: random() ** 0.8 * 1.15, length: between(random, 0.05, 0.2), phase: random() * 7, speed: between(random, 0.5, 1.1) }));
const GLITTER = Array.from({ length: 40 }, () => ({ at: random(), side: between(random, -1, 1), phase: random() * 7, length: between(random, 0.4, 1) }));

export function drawWater(c: CanvasRenderingContext2D, lake: Lake, palette: Palette, hour: number, time: number): void {
  const { width, height, horizon, unit } = lake;
  const water = c.createLinearGradient(0, horizon, 0, height);
  water.addColorStop(0, palette.waterFar);
  water.addColorStop(0.16, palette.waterMid);
  water.addColorStop(0.8, palette.waterNear);
  water.addColorStop(1, palette.shadow);
  c.fillStyle = water;
  c.fillRect(0, horizon, width, height - horizon);
  drawReflection(c, lake, palette);
  drawDepths(c, lake, palette, time);

  // The path of light, broader towards the pier.
  const light = lightAt(hour);
  const deep = lake.shore - horizon;
  c.lineCap = 'round';
  c.strokeStyle = palette.sun;
  for (const { at, side, phase, length } of GLITTER) {
    const down = at ** 1.6;
    const shine = Math.sin(time * 1.6 + phase);
    if (shine < -0.2) continue;
    const broad = mix(8, 54, down) * unit;
    const x = light.x * width + side * broad + Math.sin(time * 0.7 + phase) * 3;
    const y = horizon + 3 + down * deep * 0.9;
    c.globalAlpha = (0.2 + 0.5 * shine) * (1 - down * 0.75) * (light.moon ? 0.65 : 0.8);
    c.lineWidth = mix(1, 2.6, down) * unit;
    c.beginPath();
    c.moveTo(x - length * broad * 0.3, y);
    c.lineTo(x + length * broad * 0.3, y);
    c.stroke();
  }

  c.strokeStyle = palette.glint;
  for (const wave of WAVES) {
    const sway = Math.sin(time * wave.speed + wave.phase);
    const middle = lake.place({ x: wave.x + sway * 0.03, z: wave.z });
    const half = wave.length * width * 0.5 * (middle.scale / unit);
    c.globalAlpha = (0.09 + 0.09 * sway) * (1.1 - palette.night * 0.5);
    c.lineWidth = 1.7 * middle.scale;
    c.beginPath();
    c.moveTo(middle.x - half, middle.y);
    c.quadraticCurveTo(middle.x, middle.y - 3.4 * middle.scale * (0.6 + 0.4 * sway), middle.x + half, middle.y);
    c.stroke();
  }
  c.globalAlpha = 1;
}

/** The other shore in the water. */
function drawReflection(c: CanvasRenderingContext2D, { width, horizon, unit }: Lake, palette: Palette): void {
  const deep = 30 * unit;
  const shade = c.createLinearGradient(0, horizon, 0, horizon + deep);
  shade.addColorStop(0, faint(palette.hillNear, 0.3));
  shade.addColorStop(1, faint(palette.hillNear, 0));
  c.fillStyle = shade;
  c.fillRect(0, horizon, width, deep);
}

const WEEDS = Array.from({ length: 9 }, () => ({ x: between(random, -1, 1), z: between(random, 0.02, 0.6), blades: 4 + Math.floor(random() * 4), size: between(random, 0.7, 1.2) }));
const LIGHTS = Array.from({ length: 9 }, () => ({ x: between(random, -1, 1), z: between(random, 0.05, 0.8), size: between(random, 30, 74), phase: random() * 7 }));

/** Weeds on the ground, and the light that plays over it. */
function drawDepths(c: CanvasRenderingContext2D, lake: Lake, palette: Palette, time: number): void {
  c.lineCap = 'round';
  c.strokeStyle = palette.shadow;
  for (const weed of WEEDS) {
    const { x, y, scale } = lake.place(weed);
    c.globalAlpha = 0.2;
    for (let n = 0; n < weed.blades; n += 1) {
      const [dx, tall] = [(n - weed.blades / 2) * 9 * scale, (26 + ((n * 37) % 24)) * scale * weed.size];
      const sway = Math.sin(time * 0.9 + n * 0.7 + weed.x * 5) * 6 * scale;
      c.lineWidth = 5 * scale;
      c.beginPath();
      c.moveTo(x + dx, y);
      c.quadraticCurveTo(x + dx - sway, y - tall * 0.5, x + dx + sway, y - tall);
      c.stroke();
    }
  }
  c.strokeStyle = palette.waterFar;
  for (const { size, phase, ...at } of LIGHTS) {
    const { x, y, scale } = lake.place(at);
    const drift = Math.sin(time * 0.5 + phase);
    c.globalAlpha = 0.07 + 0.04 * drift;
    c.lineWidth = 7 * scale;
    c.beginPath();
    c.ellipse(x + drift * 9, y, size * scale * (1 + 0.1 * drift), size * scale * 0.3, 0, 0.4 + drift * 0.3, 4.2 + drift * 0.3);
    c.stroke();
  }
  c.globalAlpha = 1;
}

interface Ring extends Spot {
  age: number;
  life: number;
  size: number;
}

/** Rings on the water; a bounded number of them. */
export class Rings {
  private readonly rings: Ring[] = [];

  add(at: Spot, power: number): void {
    for (let n = 0; n < (power > 0.5 ? 3 : 1); n += 1) {
      this.rings.push({ ...at, age: -0.16 * n, life: 1.1 + power * 0.5, size: 16 + power * 34 });
    }
    if (this.rings.length > 40) this.rings.splice(0, this.rings.length - 40);
  }

  draw(c: CanvasRenderingContext2D, lake: Lake, palette: Palette, dt: number): void {
    c.strokeStyle = palette.glint;
    for (const ring of [...this.rings]) {
      ring.age += dt;
      if (ring.age > ring.life) this.rings.splice(this.rings.indexOf(ring), 1);
      if (ring.age < 0) continue;
      const t = Math.min(1, ring.age / ring.life);
      const { x, y, scale } = lake.place(ring);
      const r = ring.size * (1 - (1 - t) ** 2) * scale;
      c.globalAlpha = 0.6 * (1 - t);
      c.lineWidth = (2.4 - 1.6 * t) * scale;
      c.beginPath();
      c.ellipse(x, y, r, r * 0.36, 0, 0, 7);
      c.stroke();
    }
    c.globalAlpha = 1;
  }
}

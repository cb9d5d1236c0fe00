// A fish under water: a dark shape that swims, flattened as the lake is.

import type { Lake, Place } from '../game/lake.js';
import type { Fish } from '../game/shoal.js';
import { RARE } from '../game/species.js';
import type { Palette } from './palette.js';

/** Half the width along the back, from nose to tail: body, stalk, fin. */
const OUTLINE = [0.03, 0.22, 0.33, 0.37, 0.36, 0.31, 0.24, 0.15, 0.08, 0.06, 0.2, 0.27];
/** A step towards the horizon in steps to the side. */
const FLAT = 0.4;

export function drawShadow(c: CanvasRenderingContext2D, lake: Lake, fish: Fish, palette: Palette, time: number): void {
  if (fish.seen <= 0.02) return;
  const { length, girth, rarity } = fish.species;
  const [dx, dz] = [Math.cos(fish.heading), Math.sin(fish.heading)];
  const left: Place[] = [];
  const right: Place[] = [];
  const last = OUTLINE.length - 1;
  OUTLINE.forEach((wide, n) => {
    const s = n / last;
    const along = (0.45 - s) * length;
    const bend = Math.sin(fish.phase - s * 3.2) * s * s * length * 0.12;
    const half = wide * (0.45 + girth) * 0.62 * length;
    const at = (side: number): Place =>
      lake.place({ x: fish.x + dx * along - dz * (bend + side), z: fish.z + (dz * along + dx * (bend + side)) * FLAT });
    left.push(at(half));
    right.push(at(-half));
  });
  const points = [...left, ...right.reverse()];
  const shape = (): void => {
    c.beginPath();
    points.forEach((point, n) => {
      const next = points[(n + 1) % points.length] as Place;
      const [mx, my] = [(point.x + next.x) / 2, (point.y + next.y) / 2];
      if (n === 0) c.moveTo(mx, my);
      else c.quadraticCurveTo(point.x, point.y, mx, my);
    });
    c.closePath();
  };
  const scale = (left[3] as Place).scale;
  c.fillStyle = c.strokeStyle = palette.shadow;
  c.lineJoin = 'round';
  shape();
  // A soft edge: the same shape with broad, faint pens.
  c.globalAlpha = 0.07 * fish.seen;
  for (const broad of [14, 9, 5]) {
    c.lineWidth = broad * scale;
    c.stroke();
  }
  c.globalAlpha = 0.55 * fish.seen;
  c.fill();
  if (rarity >= RARE) drawGleam(c, points, fish, time, scale);
  c.globalAlpha = 1;
}

/** Who looks closely sees that this one is worth a cast. */
function drawGleam(c: CanvasRenderingContext2D, points: Place[], fish: Fish, time: number, scale: number): void {
  c.fillStyle = fish.species.colours.mark;
  for (let n = 0; n < 3; n += 1) {
    const a = points[2 + n * 2] as Place;
    const b = points[points.length - 3 - n * 2] as Place;
    const shine = Math.max(0, Math.sin(time * 2.2 + n * 2.1));
    c.globalAlpha = 0.85 * shine * fish.seen;
    sparkle(c, a.x + (b.x - a.x) * (0.3 + 0.2 * n), a.y + (b.y - a.y) * (0.3 + 0.2 * n), 4.6 * scale * shine);
  }
}

export function sparkle(c: CanvasRenderingContext2D, x: number, y: number, r: number): void {
  c.beginPath();
  c.moveTo(x, y - r);
  c.quadraticCurveTo(x, y, x + r, y);
  c.quadraticCurveTo(x, y, x, y + r);
  c.quadraticCurveTo(x, y, x - r, y);
  c.quadraticCurveTo(x, y, x, y - r);
  c.fill();
}

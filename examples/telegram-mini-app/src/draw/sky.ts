// Sky, sun or moon, stars, clouds, and the hills on the other shore.

import { clamp, type Lake } from '../game/lake.js';
import { between, seeded } from '../game/random.js';
import { faint, type Palette } from './palette.js';

const random = seeded(11);
const STARS = Array.from({ length: 70 }, () => ({ x: random(), y: random() ** 1.4, size: between(random, 0.5, 1.5), phase: random() * 7 }));
const CLOUDS = Array.from({ length: 4 }, (_, n) => ({ x: random(), y: 0.24 + 0.14 * n + random() * 0.08, size: between(random, 0.7, 1.3), speed: between(random, 0.002, 0.006) }));

/** Where sun or moon stands: a share of the width, and of the sky's height. */
export function lightAt(hour: number): { x: number; y: number; moon: boolean } {
  const day = hour - Math.floor(hour);
  const moon = day > 0.68 && day < 0.97;
  const t = moon ? (day - 0.66) / 0.33 : ((day + 0.05) % 1) / 0.72;
  return { x: 0.84 - 0.66 * clamp(t, 0, 1), y: 1 - 0.78 * Math.sin(Math.PI * clamp(t, 0.02, 0.98)), moon };
}

export function drawSky(c: CanvasRenderingContext2D, lake: Lake, palette: Palette, hour: number, time: number): void {
  const { width, horizon, unit } = lake;
  const sky = c.createLinearGradient(0, 0, 0, horizon);
  sky.addColorStop(0, palette.skyTop);
  sky.addColorStop(0.62, palette.skyMid);
  sky.addColorStop(1, palette.skyLow);
  c.fillStyle = sky;
  c.fillRect(0, 0, width, horizon + 1);

  if (palette.night > 0.3) {
    c.fillStyle = palette.glint;
    for (const star of STARS) {
      c.globalAlpha = (palette.night - 0.3) * (0.55 + 0.45 * Math.sin(time * 1.3 + star.phase));
      c.beginPath();
      c.arc(star.x * width, star.y * horizon * 0.82, star.size * unit, 0, 7);
      c.fill();
    }
    c.globalAlpha = 1;
  }
  drawLight(c, lake, palette, hour);
  drawClouds(c, lake, palette, time);
  drawBirds(c, lake, palette, time);
  drawHills(c, lake, palette);
}

function drawLight(c: CanvasRenderingContext2D, { width, horizon, unit }: Lake, palette: Palette, hour: number): void {
  const light = lightAt(hour);
  const [x, y, r] = [light.x * width, light.y * horizon * 0.9 + horizon * 0.06, (light.moon ? 17 : 23) * unit];
  const glow = c.createRadialGradient(x, y, r * 0.6, x, y, r * 6);
  glow.addColorStop(0, faint(palette.sun, light.moon ? 0.35 : 0.6));
  glow.addColorStop(0.35, faint(palette.sun, light.moon ? 0.1 : 0.2));
  glow.addColorStop(1, faint(palette.sun, 0));
  c.fillStyle = glow;
  c.fillRect(0, 0, width, horizon);
  c.fillStyle = palette.sun;
  c.beginPath();
  c.arc(x, y, r, 0, 7);
  c.fill();
  if (!light.moon) return;
  c.fillStyle = faint(palette.skyMid, 0.22);
  for (const [dx, dy, size] of [[-0.3, -0.2, 0.28], [0.35, 0.25, 0.2], [-0.05, 0.45, 0.15]] as const) {
    c.beginPath();
    c.arc(x + dx * r, y + dy * r, size * r, 0, 7);
    c.fill();
  }
}

function drawClouds(c: CanvasRenderingContext2D, { width, horizon, unit }: Lake, palette: Palette, time: number): void {
  for (const cloud of CLOUDS) {
    const x = (((cloud.x + time * cloud.speed) % 1.4) - 0.2) * width;
    const [y, s] = [cloud.y * horizon, cloud.size * 26 * unit];
    const fill = c.createLinearGradient(0, y - s, 0, y + s * 0.5);
    const strong = 0.75 - 0.55 * palette.night;
    fill.addColorStop(0, faint(palette.glint, strong));
    fill.addColorStop(1, faint(palette.skyLow, strong * 0.25));
    c.fillStyle = fill;
    c.beginPath();
    c.ellipse(x - s * 1.1, y, s * 0.8, s * 0.3, 0, 0, 7);
    c.ellipse(x, y - s * 0.2, s * 1.0, s * 0.52, 0, 0, 7);
    c.ellipse(x + s * 1.1, y, s * 0.95, s * 0.34, 0, 0, 7);
    c.fill();
  }
}

/** Three of them, far away, while it is light. */
function drawBirds(c: CanvasRenderingContext2D, { width, horizon, unit }: Lake, palette: Palette, time: number): void {
  if (palette.night > 0.6) return;
  c.strokeStyle = palette.hillNear;
  c.globalAlpha = 0.75 - palette.night;
  c.lineWidth = 1.6 * unit;
  c.lineCap = 'round';
  for (let n = 0; n < 3; n += 1) {
    const x = (((time * 0.011 + n * 0.045) % 1.3) - 0.15) * width;
    const y = horizon * (0.5 + 0.05 * ((n * 2) % 3)) + Math.sin(time * 0.6 + n) * 6;
    const [span, flap] = [6.5 * unit, Math.sin(time * 5 + n * 1.7) * 3.4 * unit];
    c.beginPath();
    c.moveTo(x - span, y - flap);
    c.quadraticCurveTo(x - span * 0.4, y - 2.6 * unit, x, y);
    c.quadraticCurveTo(x + span * 0.4, y - 2.6 * unit, x + span, y - flap);
    c.stroke();
  }
  c.globalAlpha = 1;
}

function drawHills(c: CanvasRenderingContext2D, { width, horizon, unit }: Lake, palette: Palette): void {
  const ridge = (colour: string, base: number, height: number, seed: number): void => {
    c.fillStyle = colour;
    c.beginPath();
    c.moveTo(0, horizon + 1);
    for (let n = 0; n <= 24; n += 1) {
      const x = n / 24;
      const y = Math.sin(x * 5.1 + seed) * 0.5 + Math.sin(x * 11.7 + seed * 2.3) * 0.28 + Math.sin(x * 23 + seed * 4.1) * 0.1;
      c.lineTo(x * width, horizon - (base + (y + 0.6) * height) * unit);
    }
    c.lineTo(width, horizon + 1);
    c.fill();
  };
  ridge(palette.hillFar, 16, 30, 1.2);
  ridge(palette.hillNear, 3, 17, 4.4);
  drawTrees(c, width, horizon, unit, palette);
  const mist = c.createLinearGradient(0, horizon - 26 * unit, 0, horizon + 10 * unit);
  mist.addColorStop(0, faint(palette.skyLow, 0));
  mist.addColorStop(0.7, faint(palette.skyLow, 0.5 - 0.25 * palette.night));
  mist.addColorStop(1, faint(palette.waterFar, 0));
  c.fillStyle = mist;
  c.fillRect(0, horizon - 26 * unit, width, 36 * unit);
}

const TREES = Array.from({ length: 46 }, () => ({ x: random(), h: between(random, 7, 20), w: between(random, 3, 6) })).filter(
  ({ x }) => x < 0.3 || x > 0.62,
);

function drawTrees(c: CanvasRenderingContext2D, width: number, horizon: number, unit: number, palette: Palette): void {
  c.fillStyle = palette.hillNear;
  c.beginPath();
  for (const { x, h, w } of TREES) {
    const [px, py] = [x * width, horizon - 3 * unit];
    c.moveTo(px - w * unit, py + 3 * unit);
    c.lineTo(px, py - h * unit);
    c.lineTo(px + w * unit, py + 3 * unit);
  }
  c.fill();
}

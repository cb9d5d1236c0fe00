// What stands in front: the pier with its lantern, reeds and lily pads.

import type { Lake } from '../game/lake.js';
import { between, seeded } from '../game/random.js';
import { faint, type Palette } from './palette.js';

const random = seeded(5);
const reeds = (side: -1 | 1): { x: number; h: number; lean: number; phase: number; cattail: boolean }[] =>
  Array.from({ length: 15 }, (_, n) => ({
    x: between(random, 0, 0.17),
    h: between(random, 60, 150) * (n % 3 ? 0.8 : 1),
    lean: between(random, -4, 22) * -side,
    phase: random() * 7,
    cattail: n % 4 === 0,
  }));
const LEFT = reeds(-1);
const RIGHT = reeds(1);
const PADS = [
  { x: 0.13, y: 0.855, r: 21, flower: true },
  { x: 0.25, y: 0.9, r: 16, flower: false },
  { x: 0.055, y: 0.815, r: 14, flower: false },
  { x: 0.93, y: 0.8, r: 17, flower: false },
];

export function drawPads(c: CanvasRenderingContext2D, { width, height, unit }: Lake, palette: Palette, time: number): void {
  PADS.forEach(({ x, y, r, flower }, n) => {
    const [px, py, size] = [x * width, y * height + Math.sin(time * 0.9 + n * 2) * 1.6, r * unit];
    c.fillStyle = faint(palette.shadow, 0.35);
    c.beginPath();
    c.ellipse(px + 2, py + 4 * unit, size, size * 0.4, 0, 0, 7);
    c.fill();
    c.fillStyle = palette.leaf;
    c.beginPath();
    c.moveTo(px, py);
    c.ellipse(px, py, size, size * 0.4, 0, -0.5, 5.4);
    c.fill();
    c.strokeStyle = faint(palette.glint, 0.16);
    c.lineWidth = unit;
    c.stroke();
    if (!flower) return;
    for (let petal = 0; petal < 7; petal += 1) {
      const angle = -Math.PI + (petal / 6) * Math.PI;
      c.fillStyle = petal % 2 ? '#ffd9e4' : '#fff4f7';
      c.beginPath();
      c.ellipse(px + Math.cos(angle) * 5 * unit, py - 5 * unit + Math.sin(angle) * 3.6 * unit, 5.4 * unit, 2.5 * unit, angle, 0, 7);
      c.fill();
    }
    c.fillStyle = '#ffd35c';
    c.beginPath();
    c.arc(px, py - 5 * unit, 2.6 * unit, 0, 7);
    c.fill();
  });
}

export function drawReeds(c: CanvasRenderingContext2D, { width, height, unit }: Lake, palette: Palette, time: number): void {
  c.lineCap = 'round';
  for (const [blades, side] of [[LEFT, -1], [RIGHT, 1]] as const) {
    for (const { x, h, lean, phase, cattail } of blades) {
      const sway = Math.sin(time * 0.8 + phase) * 3 * unit;
      const px = side < 0 ? x * width - 8 : width - x * width + 8;
      const [py, tx, ty] = [height + 6, px + (lean * unit + sway), height + 6 - h * unit * 1.15];
      c.strokeStyle = palette.leaf;
      c.lineWidth = (cattail ? 2.2 : 3.4) * unit;
      c.beginPath();
      c.moveTo(px, py);
      c.quadraticCurveTo(px, (py + ty) / 2, tx, ty);
      c.stroke();
      if (!cattail) continue;
      c.strokeStyle = palette.wood;
      c.lineWidth = 6.5 * unit;
      c.beginPath();
      c.moveTo(tx, ty);
      c.lineTo(tx - (lean * unit) * 0.08, ty + 20 * unit);
      c.stroke();
    }
  }
}

export function drawPier(c: CanvasRenderingContext2D, { width, height, shore, unit }: Lake, palette: Palette): void {
  const top = shore + 4 * unit;
  const middle = width * 0.52;
  const [far, near] = [Math.min(width * 0.3, 150 * unit), Math.min(width * 0.4, 205 * unit)];
  const left = (t: number): number => middle - far - (near - far) * t;
  const right = (t: number): number => middle + far + (near - far) * t;
  // Its shadow on the water, its front board, then the planks.
  c.fillStyle = faint(palette.shadow, 0.5);
  c.fillRect(left(0) - 4 * unit, top - 7 * unit, right(0) - left(0) + 8 * unit, 10 * unit);
  for (const x of [left(0) + 9 * unit, right(0) - 9 * unit]) post(c, x, top, unit, palette);

  const planks = 6;
  for (let n = 0; n < planks; n += 1) {
    const [a, b] = [(n / planks) ** 1.25, ((n + 1) / planks) ** 1.25];
    const [y0, y1] = [top + (height + 8 - top) * a, top + (height + 8 - top) * b];
    c.fillStyle = palette.wood;
    c.beginPath();
    c.moveTo(left(a), y0);
    c.lineTo(right(a), y0);
    c.lineTo(right(b), y1 - 1.4 * unit);
    c.lineTo(left(b), y1 - 1.4 * unit);
    c.fill();
    c.fillStyle = faint(palette.shadow, n % 2 ? 0.2 : 0.07);
    c.fill();
    c.fillStyle = faint(palette.glint, 0.14 * (1 - palette.night * 0.7));
    c.fillRect(left(a), y0, right(a) - left(a), 1.4 * unit);
  }
  lantern(c, left(0) + 9 * unit, top - 30 * unit, unit, palette);
}

function post(c: CanvasRenderingContext2D, x: number, top: number, unit: number, palette: Palette): void {
  c.fillStyle = palette.wood;
  c.beginPath();
  c.roundRect(x - 5.5 * unit, top - 20 * unit, 11 * unit, 30 * unit, 3 * unit);
  c.fill();
  c.fillStyle = faint(palette.shadow, 0.3);
  c.fillRect(x + 0.5 * unit, top - 18 * unit, 5 * unit, 28 * unit);
  c.strokeStyle = '#e9dcc3';
  c.globalAlpha = 1 - palette.night * 0.55;
  c.lineWidth = 2.2 * unit;
  for (const dy of [-11, -8]) {
    c.beginPath();
    c.moveTo(x - 5.5 * unit, top + dy * unit);
    c.lineTo(x + 5.5 * unit, top + (dy + 1) * unit);
    c.stroke();
  }
  c.globalAlpha = 1;
}

function lantern(c: CanvasRenderingContext2D, x: number, y: number, unit: number, palette: Palette): void {
  const lit = palette.night;
  if (lit > 0.15) {
    const glow = c.createRadialGradient(x, y, 0, x, y, 120 * unit);
    glow.addColorStop(0, `rgb(255 200 110 / ${0.55 * lit})`);
    glow.addColorStop(0.3, `rgb(255 180 90 / ${0.2 * lit})`);
    glow.addColorStop(1, 'rgb(255 170 80 / 0)');
    c.fillStyle = glow;
    c.fillRect(x - 120 * unit, y - 120 * unit, 240 * unit, 240 * unit);
  }
  c.fillStyle = '#2c2f38';
  c.fillRect(x - 6 * unit, y + 8 * unit, 12 * unit, 3 * unit);
  c.beginPath();
  c.moveTo(x - 7 * unit, y - 6 * unit);
  c.lineTo(x, y - 13 * unit);
  c.lineTo(x + 7 * unit, y - 6 * unit);
  c.fill();
  c.fillStyle = lit > 0.15 ? '#ffe2a0' : '#dfe8e6';
  c.globalAlpha = lit > 0.15 ? 1 : 0.75;
  c.fillRect(x - 4.6 * unit, y - 6 * unit, 9.2 * unit, 14 * unit);
  c.globalAlpha = 1;
  c.fillStyle = '#2c2f38';
  c.fillRect(x - 0.8 * unit, y - 6 * unit, 1.6 * unit, 14 * unit);
}

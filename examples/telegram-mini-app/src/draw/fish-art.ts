// A fish out of the water, seen from its side: for the leap, the card of a catch, and the boot screen.

import type { Species } from '../game/species.js';

/** In a box of `length` around the middle, the nose to the right. `wag` bends the tail. */
export function drawFish(c: CanvasRenderingContext2D, { colours, girth, pattern }: Species, x: number, y: number, length: number, angle = 0, wag = 0): void {
  const h = length * girth * 0.92;
  c.save();
  c.translate(x, y);
  c.rotate(angle);
  const bend = wag * length * 0.05;

  c.fillStyle = colours.fin;
  c.beginPath();
  c.moveTo(-length * 0.34, 0);
  c.quadraticCurveTo(-length * 0.46, -h * 0.2 + bend, -length * 0.58, -h * 0.56 + bend * 2);
  c.quadraticCurveTo(-length * 0.5, bend * 1.4, -length * 0.58, h * 0.54 + bend * 2);
  c.quadraticCurveTo(-length * 0.46, h * 0.2 + bend, -length * 0.34, 0);
  c.fill();
  c.beginPath();
  c.moveTo(-length * 0.2, -h * 0.32);
  c.quadraticCurveTo(-length * 0.06, -h * 0.84, length * 0.16, -h * 0.36);
  c.closePath();
  c.fill();
  c.beginPath();
  c.moveTo(-length * 0.16, h * 0.36);
  c.quadraticCurveTo(-length * 0.2, h * 0.72, -length * 0.02, h * 0.4);
  c.closePath();
  c.fill();

  const body = new Path2D();
  body.moveTo(length * 0.5, h * 0.04);
  body.bezierCurveTo(length * 0.42, -h * 0.44, length * 0.08, -h * 0.62, -length * 0.38, -h * 0.1 + bend * 0.6);
  body.quadraticCurveTo(-length * 0.41, bend * 0.7, -length * 0.38, h * 0.1 + bend * 0.6);
  body.bezierCurveTo(length * 0.04, h * 0.64, length * 0.4, h * 0.46, length * 0.5, h * 0.04);
  const skin = c.createLinearGradient(0, -h * 0.5, 0, h * 0.5);
  skin.addColorStop(0, colours.back);
  skin.addColorStop(0.42, colours.side);
  skin.addColorStop(0.72, colours.belly);
  skin.addColorStop(1, colours.belly);
  c.fillStyle = skin;
  c.fill(body);

  c.save();
  c.clip(body);
  drawPattern(c, pattern, colours.mark, length, h);
  const gloss = c.createLinearGradient(0, -h * 0.5, 0, -h * 0.05);
  gloss.addColorStop(0, 'rgb(255 255 255 / 0)');
  gloss.addColorStop(0.6, 'rgb(255 255 255 / .34)');
  gloss.addColorStop(1, 'rgb(255 255 255 / 0)');
  c.fillStyle = gloss;
  c.fillRect(-length * 0.4, -h * 0.5, length * 0.9, h * 0.5);
  c.restore();

  // Gill, side fin, mouth, eye.
  c.lineCap = 'round';
  c.strokeStyle = 'rgb(20 30 40 / .28)';
  c.lineWidth = Math.max(1, length * 0.012);
  c.beginPath();
  c.arc(length * 0.2, h * 0.02, h * 0.34, -0.9, 0.9);
  c.stroke();
  c.beginPath();
  c.moveTo(length * 0.5, h * 0.06);
  c.quadraticCurveTo(length * 0.46, h * 0.12, length * 0.42, h * 0.1);
  c.stroke();
  c.fillStyle = colours.fin;
  c.beginPath();
  c.moveTo(length * 0.16, h * 0.1);
  c.quadraticCurveTo(length * 0.02, h * 0.18 + bend, -length * 0.02, h * 0.38 + bend);
  c.quadraticCurveTo(length * 0.14, h * 0.36, length * 0.16, h * 0.1);
  c.fill();
  const eye = Math.max(2, Math.min(h * 0.13, length * 0.045));
  for (const [colour, size, dx] of [['#fff', 1, 0], ['#16202a', 0.64, 0.12], ['#fff', 0.22, 0.3]] as const) {
    c.fillStyle = colour;
    c.beginPath();
    c.arc(length * 0.35 + dx * eye, -h * 0.12 - (size < 0.3 ? eye * 0.2 : 0), eye * size, 0, 7);
    c.fill();
  }
  c.restore();
}

function drawPattern(c: CanvasRenderingContext2D, pattern: Species['pattern'], mark: string, length: number, h: number): void {
  c.fillStyle = c.strokeStyle = mark;
  switch (pattern) {
    case 'stripes':
      c.globalAlpha = 0.75;
      for (let n = 0; n < 5; n += 1) {
        const x = length * (0.14 - n * 0.105);
        c.beginPath();
        c.moveTo(x - length * 0.026, -h * 0.6);
        c.quadraticCurveTo(x + length * 0.01, 0, x - length * 0.008, h * 0.26);
        c.quadraticCurveTo(x + length * 0.03, 0, x + length * 0.026, -h * 0.6);
        c.fill();
      }
      break;
    case 'spots':
      c.globalAlpha = 0.7;
      for (let n = 0; n < 26; n += 1) {
        c.beginPath();
        c.ellipse(length * (0.24 - ((n * 0.37) % 0.56)), h * (-0.36 + ((n * 0.23) % 0.5)), length * 0.017, length * 0.011, 0, 0, 7);
        c.fill();
      }
      break;
    case 'band':
      c.globalAlpha = 0.6;
      c.fillRect(-length * 0.38, -h * 0.06, length * 0.62, h * 0.14);
      c.globalAlpha = 0.5;
      c.fillStyle = '#263a3a';
      for (let n = 0; n < 22; n += 1) {
        c.beginPath();
        c.arc(length * (0.2 - ((n * 0.29) % 0.54)), h * (-0.42 + ((n * 0.13) % 0.3)), length * 0.008, 0, 7);
        c.fill();
      }
      break;
    case 'scales':
      c.globalAlpha = 0.5;
      c.lineWidth = Math.max(0.6, length * 0.006);
      for (let row = -4; row <= 4; row += 1) {
        for (let n = 0; n < 9; n += 1) {
          c.beginPath();
          c.arc(length * (0.1 - n * 0.052 - (row % 2 ? 0.026 : 0)), row * h * 0.1, length * 0.026, -1.1, 1.1);
          c.stroke();
        }
      }
      break;
    case 'plain':
      c.globalAlpha = 0.5;
      c.beginPath();
      c.ellipse(-length * 0.08, -h * 0.2, length * 0.26, h * 0.12, 0, 0, 7);
      c.fill();
  }
  c.globalAlpha = 1;
}

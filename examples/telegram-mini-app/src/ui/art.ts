// The pictures of the shop, drawn: a chest of pearls, a golden rod.

import { drawFish } from '../draw/fish-art.js';
import { sparkle } from '../draw/shadow.js';
import { SPECIES, type Species } from '../game/species.js';

const THEMES = {
  lagoon: ['#0f8fa8', '#0a4f78', '#07304f'],
  sunset: ['#ff9a5c', '#d24d6b', '#5b2a6b'],
} as const;

export function drawArt(canvas: HTMLCanvasElement, what: 'chest' | 'rod', theme: keyof typeof THEMES, calm: boolean): void {
  const { clientWidth: width, clientHeight: height } = canvas;
  const dots = Math.min(2.5, devicePixelRatio || 1);
  canvas.width = width * dots;
  canvas.height = height * dots;
  const c = canvas.getContext('2d') as CanvasRenderingContext2D;
  const started = performance.now();
  const frame = (now: number): void => {
    if (!canvas.isConnected || !canvas.closest('dialog')?.open) return;
    c.setTransform(dots, 0, 0, dots, 0, 0);
    const t = calm ? 0.6 : (now - started) / 1_000;
    background(c, width, height, theme, t);
    if (what === 'rod') rod(c, width, height, t);
    else chest(c, width, height, t);
    if (!calm) requestAnimationFrame(frame);
  };
  frame(started);
}

function background(c: CanvasRenderingContext2D, width: number, height: number, theme: keyof typeof THEMES, t: number): void {
  const [light, middle, deep] = THEMES[theme];
  const glow = c.createRadialGradient(width / 2, height * 0.52, 10, width / 2, height * 0.5, width * 0.62);
  glow.addColorStop(0, light);
  glow.addColorStop(0.55, middle);
  glow.addColorStop(1, deep);
  c.fillStyle = glow;
  c.fillRect(0, 0, width, height);
  c.save();
  c.translate(width / 2, height * 0.55);
  c.rotate(t * 0.12);
  for (let n = 0; n < 14; n += 1) {
    c.rotate(Math.PI / 7);
    c.fillStyle = `rgb(255 255 255 / ${n % 2 ? 0.05 : 0.1})`;
    c.beginPath();
    c.moveTo(0, 0);
    c.lineTo(width, -width * 0.11);
    c.lineTo(width, width * 0.11);
    c.fill();
  }
  c.restore();
  for (let n = 0; n < 14; n += 1) {
    const up = (n * 0.37 + t * (0.06 + 0.012 * (n % 4))) % 1;
    c.strokeStyle = `rgb(255 255 255 / ${0.4 * (1 - up)})`;
    c.lineWidth = 1.2;
    c.beginPath();
    c.arc(((n * 0.173) % 1) * width + Math.sin(t + n) * 5, height * (1.05 - up * 1.1), 2 + (n % 4) * 1.6, 0, 7);
    c.stroke();
  }
}

function pearl(c: CanvasRenderingContext2D, x: number, y: number, r: number): void {
  const skin = c.createRadialGradient(x - r * 0.35, y - r * 0.4, r * 0.1, x, y, r);
  skin.addColorStop(0, '#ffffff');
  skin.addColorStop(0.55, '#f4e9f4');
  skin.addColorStop(1, '#b9a6cf');
  c.fillStyle = skin;
  c.beginPath();
  c.arc(x, y, r, 0, 7);
  c.fill();
}

function chest(c: CanvasRenderingContext2D, width: number, height: number, t: number): void {
  const s = Math.min(width / 320, height / 165);
  c.save();
  c.translate(width / 2, height * 0.6 + Math.sin(t * 1.4) * 2);
  c.scale(s, s);
  drawFish(c, SPECIES[5] as Species, 96, -36 + Math.sin(t * 1.1) * 4, 62, -0.12, Math.sin(t * 6));
  drawFish(c, SPECIES[3] as Species, -104, 12 + Math.cos(t * 1.3) * 4, 54, 0.1, Math.sin(t * 7));
  // The lid, open.
  const box = (x: number, y: number, w: number, h: number, r: number | number[], colour: string): void => {
    c.fillStyle = colour;
    c.beginPath();
    c.roundRect(x, y, w, h, r);
    c.fill();
  };
  box(-62, -56, 124, 44, [26, 26, 4, 4], '#6b3f22');
  box(-56, -50, 112, 34, [20, 20, 3, 3], '#3a2114');
  box(-8, -58, 16, 20, 3, '#e8b542');
  for (const [x, y, r] of [[-38, -14, 13], [-14, -20, 15], [14, -17, 14], [38, -13, 12], [-26, -6, 12], [2, -6, 14], [28, -5, 12]] as const) pearl(c, x, y, r);
  box(-64, -6, 128, 56, [4, 4, 14, 14], '#8a5230');
  box(-64, -6, 128, 13, 3, '#e8b542');
  for (const x of [-52, 40]) box(x, -6, 12, 56, 2, '#e8b542');
  box(-64, 26, 128, 3, 0, 'rgb(0 0 0 / .18)');
  box(-13, -2, 26, 26, 7, '#ffd979');
  box(-3.5, 6, 7, 11, 3, '#6b3f22');
  c.fillStyle = '#fff8d8';
  for (let n = 0; n < 6; n += 1) sparkle(c, [-70, -30, 4, 46, 74, -50][n] as number, [-30, -46, -62, -44, 0, 20][n] as number, 7 * Math.max(0, Math.sin(t * 2 + n * 1.7)));
  c.restore();
}

function rod(c: CanvasRenderingContext2D, width: number, height: number, t: number): void {
  const s = Math.min(width / 320, height / 165);
  c.save();
  c.translate(width / 2, height * 0.54);
  c.scale(s, s);
  drawFish(c, SPECIES[7] as Species, 62, 26 + Math.sin(t * 1.2) * 4, 104, -0.2, Math.sin(t * 6));
  c.lineCap = 'round';
  const stick = (wide: number, colour: string): void => {
    c.strokeStyle = colour;
    c.lineWidth = wide;
    c.beginPath();
    c.moveTo(-112, 62);
    c.quadraticCurveTo(-20, -28, 104, -54);
    c.stroke();
  };
  stick(10, 'rgb(0 0 0 / .22)');
  stick(7.5, '#b9770f');
  stick(4, '#ffe08a');
  c.strokeStyle = '#3a2416';
  c.lineWidth = 15;
  c.beginPath();
  c.moveTo(-114, 64);
  c.lineTo(-84, 38);
  c.stroke();
  c.fillStyle = '#ffd35c';
  c.beginPath();
  c.arc(-62, 34, 16, 0, 7);
  c.fill();
  c.fillStyle = '#8a5a12';
  c.beginPath();
  c.arc(-62, 34, 7, 0, 7);
  c.fill();
  c.strokeStyle = 'rgb(255 255 255 / .8)';
  c.lineWidth = 1.3;
  c.beginPath();
  c.moveTo(104, -54);
  c.quadraticCurveTo(122, -8, 108, 16);
  c.stroke();
  c.fillStyle = '#fff8d8';
  for (let n = 0; n < 6; n += 1) sparkle(c, [-96, -44, 2, 50, 96, 20][n] as number, [30, -16, -40, -58, -62, 60][n] as number, 8 * Math.max(0, Math.sin(t * 2.2 + n * 1.9)));
  c.restore();
}

// What the hands need to know: where the cast goes, that something bites, how the line stands.

import { SWEET } from '../game/fight.js';
import type { Game } from '../game/game.js';
import { clamp, type Lake, mix } from '../game/lake.js';
import type { Palette } from './palette.js';

export const FONT = "ui-rounded, 'SF Pro Rounded', 'Nunito', 'Segoe UI', system-ui, sans-serif";
const FROM = Math.PI * 0.8;
const TO = Math.PI * 2.2;
const at = (share: number): number => mix(FROM, TO, clamp(share, 0, 1.04));

/** The mark on the water where the cast would go. */
export function drawAim(c: CanvasRenderingContext2D, lake: Lake, game: Game, palette: Palette, time: number): void {
  if (game.phase !== 'idle') return;
  const { x, y, scale } = lake.place(game.aim);
  const r = (15 + Math.sin(time * 3) * 1.6) * scale;
  c.strokeStyle = palette.glint;
  c.lineWidth = 2.2 * scale;
  c.globalAlpha = 0.9;
  c.setLineDash([6 * scale, 5 * scale]);
  c.lineDashOffset = -time * 10;
  c.beginPath();
  c.ellipse(x, y, r * 1.4, r * 0.56, 0, 0, 7);
  c.stroke();
  c.setLineDash([]);
  c.fillStyle = palette.glint;
  c.beginPath();
  c.ellipse(x, y, 3.2 * scale, 1.5 * scale, 0, 0, 7);
  c.fill();
  c.globalAlpha = 1;
}

/** The bite: a mark over the float, and a ring that closes as the time runs out. */
export function drawBite(c: CanvasRenderingContext2D, lake: Lake, game: Game, calm: boolean): void {
  if (game.phase !== 'bite') return;
  const { x, y } = lake.place(game.float);
  const s = lake.unit;
  const pop = calm ? 1 : 1 + 0.35 * Math.max(0, 1 - game.time * 5);
  const top = y - 52 * s;
  c.save();
  c.translate(x, top);
  c.scale(pop, pop);
  c.fillStyle = '#fff';
  c.beginPath();
  c.arc(0, 0, 19 * s, 0, 7);
  c.fill();
  c.strokeStyle = '#e8452f';
  c.lineWidth = 4 * s;
  c.beginPath();
  c.arc(0, 0, 19 * s, -Math.PI / 2, -Math.PI / 2 + 6.283 * clamp(1 - game.time / game.window, 0, 1));
  c.stroke();
  c.fillStyle = '#c9301b';
  c.font = `900 ${Math.round(25 * s)}px ${FONT}`;
  c.textAlign = 'center';
  c.textBaseline = 'middle';
  c.fillText('!', 0, 1.5 * s);
  c.restore();
}

/** A line that is about to break is seen from the corner of the eye. */
export function drawStrain(c: CanvasRenderingContext2D, { width, height }: Lake, tension: number): void {
  const share = clamp((tension - SWEET.to + 0.06) / 0.2, 0, 1);
  if (share <= 0) return;
  const edge = c.createRadialGradient(width / 2, height / 2, height * 0.3, width / 2, height / 2, height * 0.66);
  edge.addColorStop(0, 'rgb(226 50 28 / 0)');
  edge.addColorStop(1, `rgb(226 50 28 / ${(share * 0.6).toFixed(2)})`);
  c.fillStyle = edge;
  c.fillRect(0, 0, width, height);
}

/** The line's tension while a fish is on. */
export function drawGauge(c: CanvasRenderingContext2D, lake: Lake, game: Game, shown: number): void {
  if (shown <= 0.01) return;
  const { fight } = game;
  const s = lake.unit;
  const [x, y, r] = [lake.width / 2, lake.height - 62 * s + (1 - shown) * 60 * s, 47 * s];
  const tension = fight?.tension ?? 0;
  const danger = fight?.danger ?? false;
  c.save();
  c.globalAlpha = shown;
  c.fillStyle = 'rgb(9 20 32 / .78)';
  c.beginPath();
  c.arc(x, y, r + 11 * s, 0, 7);
  c.fill();
  c.lineCap = 'butt';
  c.lineWidth = 9 * s;
  for (const [from, to, colour] of [[0, SWEET.from, '#5fa8d8'], [SWEET.from, SWEET.to, '#57d08e'], [SWEET.to, 1, '#ff6a55']] as const) {
    c.strokeStyle = colour;
    c.globalAlpha = shown * (tension >= from && tension < to + (to === 1 ? 1 : 0) ? 1 : 0.38);
    c.beginPath();
    c.arc(x, y, r, at(from + 0.008), at(to - 0.008));
    c.stroke();
  }
  c.globalAlpha = shown;
  // The needle.
  const angle = at(tension);
  c.strokeStyle = '#fff';
  c.lineCap = 'round';
  c.lineWidth = 4.5 * s;
  c.beginPath();
  c.moveTo(x + Math.cos(angle) * (r - 12 * s), y + Math.sin(angle) * (r - 12 * s));
  c.lineTo(x + Math.cos(angle) * (r + 6 * s), y + Math.sin(angle) * (r + 6 * s));
  c.stroke();
  c.fillStyle = '#fff';
  c.textAlign = 'center';
  c.textBaseline = 'middle';
  c.font = `800 ${Math.round(17 * s)}px ${FONT}`;
  if (fight) {
    c.fillText(danger ? 'LET GO' : 'REEL', x, y - 5 * s);
    c.font = `600 ${Math.round(11 * s)}px ${FONT}`;
    c.fillStyle = danger ? '#ffb4a6' : '#a9e9c8';
    c.fillText(danger ? 'it pulls!' : 'hold', x, y + 12 * s);
    // How far the fish still has to come.
    c.fillStyle = 'rgb(255 255 255 / .22)';
    c.beginPath();
    c.roundRect(x - 24 * s, y + 28 * s, 48 * s, 5 * s, 3 * s);
    c.fill();
    c.fillStyle = '#ffd35c';
    c.beginPath();
    c.roundRect(x - 24 * s, y + 28 * s, 48 * s * clamp(1 - fight.left, 0.06, 1), 5 * s, 3 * s);
    c.fill();
  }
  c.restore();
}

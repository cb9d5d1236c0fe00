// Rod, line and float, from the angler's hand to the fish.

import { FLIGHT, type Game } from '../game/game.js';
import { clamp, type Lake, mix, smooth } from '../game/lake.js';
import type { Palette } from './palette.js';

interface Point {
  x: number;
  y: number;
}

export function drawRod(c: CanvasRenderingContext2D, lake: Lake, game: Game, palette: Palette, time: number, golden: boolean, calm: boolean): void {
  const { width, height, unit } = lake;
  const { phase, fight } = game;
  const hand: Point = { x: width * 0.8, y: height + 16 * unit };
  const target = lake.place(game.float);
  // Back over the shoulder, then forward.
  const swing = phase === 'cast' ? clamp(game.time / FLIGHT, 0, 1) : 1;
  const back = phase === 'cast' ? Math.sin(Math.min(1, swing * 2.2) * Math.PI) * 0.34 : 0;
  const bend = fight ? clamp(fight.tension, 0, 1.05) : phase === 'bite' ? 0.35 : 0.05;
  const shiver = fight?.warned && !calm ? Math.sin(time * 70) * 2.4 * unit : 0;
  const length = Math.min(height * 0.34, 250 * unit);
  const lean = -0.42 + back + (phase === 'idle' ? Math.sin(time * 0.8) * 0.012 : 0) + (target.x - width / 2) / width * 0.24;
  const straight: Point = { x: hand.x + Math.sin(lean) * length, y: hand.y - Math.cos(lean) * length };
  const tip: Point = {
    x: mix(straight.x, target.x, bend * 0.3) - bend * 26 * unit + shiver,
    y: straight.y + bend * bend * 74 * unit,
  };
  const knee: Point = { x: mix(hand.x, straight.x, 0.6) + bend * 10 * unit, y: mix(hand.y, straight.y, 0.72 + 0.16 * bend) };

  const float = floatAt(lake, game, tip, time);
  if (float) drawLine(c, tip, float, game, palette, unit);
  if (float && phase !== 'fight' && phase !== 'landing') drawFloat(c, lake, game, float, palette, time);

  c.lineCap = 'round';
  const stick = (from: number, wide: number, colour: string): void => {
    // A part of the curve from `from` to the tip, ever thinner.
    const at = (t: number): Point => ({
      x: (1 - t) ** 2 * hand.x + 2 * (1 - t) * t * knee.x + t * t * tip.x,
      y: (1 - t) ** 2 * hand.y + 2 * (1 - t) * t * knee.y + t * t * tip.y,
    });
    c.strokeStyle = colour;
    for (let n = 0; n < 10; n += 1) {
      const [a, b] = [mix(from, 1, n / 10), mix(from, 1, (n + 1) / 10)];
      c.lineWidth = mix(wide, 1.6, b) * unit;
      c.beginPath();
      c.moveTo(at(a).x, at(a).y);
      c.lineTo(at(b).x, at(b).y);
      c.stroke();
    }
  };
  stick(0, 8.4, 'rgb(20 16 18 / .35)');
  stick(0, 6.6, golden ? '#c98a1b' : '#5a3a2a');
  stick(0.02, 3, golden ? '#ffe08a' : '#8d6347');
  // The grip and the reel.
  c.strokeStyle = '#2b211d';
  c.lineWidth = 13 * unit;
  c.beginPath();
  c.moveTo(hand.x, hand.y);
  c.lineTo(mix(hand.x, knee.x, 0.26), mix(hand.y, knee.y, 0.26));
  c.stroke();
  const reel = { x: mix(hand.x, knee.x, 0.42) + 8 * unit, y: mix(hand.y, knee.y, 0.42) };
  c.fillStyle = golden ? '#e8b542' : '#c9ced6';
  c.beginPath();
  c.arc(reel.x, reel.y, 11 * unit, 0, 7);
  c.fill();
  c.fillStyle = '#39404c';
  c.beginPath();
  c.arc(reel.x, reel.y, 5 * unit, 0, 7);
  c.fill();
  const turn = game.held && fight ? time * 16 : 0.7;
  c.strokeStyle = '#39404c';
  c.lineWidth = 3 * unit;
  c.beginPath();
  c.moveTo(reel.x, reel.y);
  c.lineTo(reel.x + Math.cos(turn) * 13 * unit, reel.y + Math.sin(turn) * 13 * unit);
  c.stroke();
}

/** Where the line ends, on the screen. */
function floatAt(lake: Lake, game: Game, tip: Point, time: number): Point | undefined {
  const { phase } = game;
  if (phase === 'idle' || phase === 'caught') return { x: tip.x + Math.sin(time * 1.4) * 2, y: tip.y + 34 * lake.unit };
  const at = lake.place(game.float);
  if (phase === 'cast') {
    const t = clamp((game.time / FLIGHT - 0.35) / 0.65, 0, 1);
    if (t <= 0) return { x: tip.x + 6, y: tip.y + 24 * lake.unit };
    return { x: mix(tip.x, at.x, smooth(t)), y: mix(tip.y, at.y, t) - Math.sin(t * Math.PI) * 70 * lake.unit };
  }
  if (phase === 'landing') return undefined;
  if (phase === 'lost') {
    const t = smooth(game.time / 0.7);
    return { x: mix(at.x, tip.x, t), y: mix(at.y, tip.y + 34 * lake.unit, t) - Math.sin(t * Math.PI) * 30 * lake.unit };
  }
  return { x: at.x, y: at.y + dip(game, time) * at.scale };
}

/** How deep the float sits. */
function dip(game: Game, time: number): number {
  if (game.phase === 'bite') return 13 + Math.sin(time * 22) * 3;
  return Math.sin(time * 2.1) * 1.6 + game.dip * 8;
}

function drawLine(c: CanvasRenderingContext2D, tip: Point, end: Point, game: Game, palette: Palette, unit: number): void {
  const tension = game.fight?.tension ?? 0.1;
  const sag = (1 - clamp(tension * 1.3, 0, 1)) * 46 * unit;
  const danger = game.fight ? clamp((tension - 0.75) / 0.25, 0, 1) : 0;
  c.strokeStyle = danger > 0 ? `rgb(255 ${Math.round(240 - 150 * danger)} ${Math.round(230 - 160 * danger)})` : palette.glint;
  c.globalAlpha = 0.85;
  c.lineWidth = 1.3 * unit;
  c.beginPath();
  c.moveTo(tip.x, tip.y);
  c.quadraticCurveTo((tip.x + end.x) / 2, Math.max(tip.y, end.y) * 0.5 + Math.min(tip.y, end.y) * 0.5 + sag, end.x, end.y);
  c.stroke();
  c.globalAlpha = 1;
}

function drawFloat(c: CanvasRenderingContext2D, lake: Lake, game: Game, at: Point, palette: Palette, time: number): void {
  const onWater = game.phase === 'wait' || game.phase === 'bite';
  const s = (onWater ? lake.place(game.float).scale : lake.unit * 0.9) * 1.25;
  const lean = onWater ? Math.sin(time * 1.7) * 0.1 : 0;
  c.save();
  if (onWater) {
    const water = lake.place(game.float).y;
    c.fillStyle = palette.shadow;
    c.globalAlpha = 0.3;
    c.beginPath();
    c.ellipse(at.x, water + 2 * s, 9 * s, 3.4 * s, 0, 0, 7);
    c.fill();
    c.globalAlpha = 1;
    // What is under water is not seen.
    c.beginPath();
    c.rect(at.x - 40 * s, water - 60 * s, 80 * s, 60 * s + 3 * s);
    c.clip();
  }
  c.translate(at.x, at.y);
  c.rotate(lean);
  c.strokeStyle = '#2c2f38';
  c.lineWidth = 1.8 * s;
  c.beginPath();
  c.moveTo(0, -19 * s);
  c.lineTo(0, -8 * s);
  c.stroke();
  c.fillStyle = '#fdfbf6';
  c.beginPath();
  c.ellipse(0, 0, 6.4 * s, 9 * s, 0, 0, 7);
  c.fill();
  c.fillStyle = '#e8452f';
  c.beginPath();
  c.ellipse(0, 0, 6.4 * s, 9 * s, 0, Math.PI, 0);
  c.fill();
  c.fillStyle = 'rgb(255 255 255 / .5)';
  c.beginPath();
  c.ellipse(-2.4 * s, -4 * s, 1.3 * s, 2.6 * s, 0.3, 0, 7);
  c.fill();
  c.restore();
}

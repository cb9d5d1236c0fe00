// A hand that shows the first cast, strike and reel: who sees it need not read.

import type { Game } from '../game/game.js';
import { type Lake, type Place, smooth } from '../game/lake.js';
import type { Fish } from '../game/shoal.js';

/** A tap, seconds. */
const TAP = 1.1;

export class Coach {
  /** The one to cast at. */
  private fish: Fish | undefined;

  draw(c: CanvasRenderingContext2D, lake: Lake, game: Game, time: number, calm: boolean): void {
    const at = this.where(lake, game);
    if (!at) return;
    const s = lake.unit;
    // Down for half of the time; while a fish is on, whenever one should reel.
    const beat = calm ? 0.5 : (time % TAP) / TAP;
    const down = game.fight ? (game.fight.danger ? 0 : 1) : smooth(1 - Math.abs(beat - 0.5) * 4);
    const lift = (1 - down) * (game.fight ? 22 : 12) * s;
    if (down > 0.5) {
      const wide = game.fight ? 0 : beat;
      c.strokeStyle = '#fff';
      c.lineWidth = 2.5 * s;
      c.globalAlpha = 0.9 - wide * 0.6;
      c.beginPath();
      c.ellipse(at.x, at.y, (14 + wide * 18) * s, (7 + wide * 8) * s, 0, 0, 7);
      c.stroke();
      c.globalAlpha = 1;
    }
    c.save();
    c.translate(at.x, at.y + lift);
    c.rotate(-0.35);
    c.fillStyle = '#fff';
    c.strokeStyle = 'rgb(9 20 32 / .75)';
    c.lineWidth = 2 * s;
    // One finger, a fist and a thumb.
    c.beginPath();
    c.roundRect(-5 * s, -2 * s, 10 * s, 30 * s, 5 * s);
    c.roundRect(-6 * s, 17 * s, 27 * s, 24 * s, 9 * s);
    c.roundRect(-15 * s, 20 * s, 14 * s, 10 * s, 5 * s);
    c.stroke();
    c.fill();
    c.restore();
  }

  private where(lake: Lake, { phase, shoal }: Game): Pick<Place, 'x' | 'y'> | undefined {
    // Beside the mark and the gauge: the finger may be anywhere.
    if (phase === 'bite' || phase === 'fight') return { x: lake.width * 0.24, y: lake.height * 0.66 };
    if (phase !== 'idle') return undefined;
    if (this.fish?.mood !== 'roams' || !shoal.fish.includes(this.fish)) {
      const near = ({ x, z }: Fish): number => Math.abs(x) + z;
      [this.fish] = shoal.fish.filter(({ mood, seen }) => mood === 'roams' && seen > 0.3).sort((a, b) => near(a) - near(b));
    }
    return this.fish && lake.place(this.fish);
  }
}

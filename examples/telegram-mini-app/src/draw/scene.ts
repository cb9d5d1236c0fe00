// One picture of the lake, in the order in which things lie upon each other.

import { type Game, type GameEvent, LEAP } from '../game/game.js';
import { clamp, Lake, mix, smooth } from '../game/lake.js';
import { Coach } from './coach.js';
import { Effects } from './effects.js';
import { drawFish } from './fish-art.js';
import { drawAim, drawBite, drawGauge, drawStrain } from './gauge.js';
import { paletteAt, type Palette } from './palette.js';
import { drawRod } from './rod.js';
import { drawShadow } from './shadow.js';
import { drawPads, drawPier, drawReeds } from './shore.js';
import { drawSky } from './sky.js';
import { drawWater, Rings } from './water.js';

/** More dots than eyes can see only cost battery. */
const MOST_DOTS = 2.5;
/** A frame longer than this, seconds, is one that the eye notices; so much time spent in such frames is too much. */
const SLOW_FRAME = 1 / 42;
const PATIENCE = 1.5;

export class Scene {
  readonly lake = new Lake();
  readonly effects: Effects;
  /** The time of day that is wanted; the sky goes there slowly. */
  hour: number;
  golden = false;
  /** Before the game begins nothing is shown but the lake. */
  playing = false;
  /** A hand shows how. */
  coached = false;
  private shownHour: number;
  private readonly rings = new Rings();
  private readonly coach = new Coach();
  private readonly c: CanvasRenderingContext2D;
  private time = 0;
  private gauge = 0;
  /** Dots by pixel at most. */
  private sharpness = MOST_DOTS;
  private slow = 0;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly game: Game,
    hour: number,
    private readonly calm: () => boolean,
  ) {
    this.hour = this.shownHour = hour;
    this.c = canvas.getContext('2d', { alpha: false }) as CanvasRenderingContext2D;
    this.effects = new Effects(calm);
    this.resize();
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  jumpTo(hour: number): void {
    this.hour = this.shownHour = hour;
  }

  hear(event: GameEvent): void {
    const { lake } = this;
    switch (event.kind) {
      case 'splash':
        this.rings.add(event.at, event.power);
        return this.effects.splash(lake, event.at, event.power);
      case 'nibble':
        this.rings.add(event.at, 0.3);
        return;
      case 'surge':
        this.rings.add(event.at, 0.8);
        this.effects.splash(lake, event.at, 0.8);
        return this.effects.jolt(0.5);
      case 'caught':
        this.effects.joy(lake.width / 2, lake.height * 0.36, event.fish.species.rarity * 14, lake.unit);
        return;
      default:
    }
  }

  draw(dt: number): void {
    const { c, lake, game } = this;
    this.time += dt;
    this.soften(dt);
    this.hour += dt * 0.0022;
    this.shownHour += (this.hour - this.shownHour) * Math.min(1, dt * 0.9);
    const { time } = this;
    const palette = paletteAt(this.shownHour);
    const dots = this.canvas.width / lake.width;
    const { shake } = this.effects;
    c.setTransform(dots, 0, 0, dots, 0, 0);
    if (shake > 0) c.translate(Math.sin(time * 61) * shake * 5, Math.cos(time * 53) * shake * 4);
    drawSky(c, lake, palette, this.shownHour, time);
    drawWater(c, lake, palette, this.shownHour, this.calm() ? time * 0.4 : time);
    for (const fish of game.shoal.fish) {
      if (!(fish === game.fish && game.phase === 'landing')) drawShadow(c, lake, fish, palette, time);
    }
    this.stir(dt);
    this.rings.draw(c, lake, palette, dt);
    drawPads(c, lake, palette, time);
    if (this.playing) drawAim(c, lake, game, palette, time);
    if (game.phase === 'fight') this.churn(dt);
    drawPier(c, lake, palette);
    drawReeds(c, lake, palette, time);
    if (this.playing) {
      drawRod(c, lake, game, palette, time, this.golden, this.calm());
      drawBite(c, lake, game, this.calm());
      if (game.phase === 'landing') this.leap(c, palette, dt);
    }
    this.effects.fireflies(c, lake, palette, time);
    this.effects.draw(c, lake, palette, dt);
    if (game.fight) drawStrain(c, lake, game.fight.tension);
    this.gauge += ((game.phase === 'fight' ? 1 : 0) - this.gauge) * Math.min(1, dt * 9);
    drawGauge(c, lake, game, this.gauge);
    if (this.playing && this.coached) this.coach.draw(c, lake, game, time, this.calm());
  }

  /** Now and then a fish comes up to breathe. */
  private stir(dt: number): void {
    const { fish } = this.game.shoal;
    if (Math.random() > dt * 0.5) return;
    const one = fish[Math.floor(Math.random() * fish.length)];
    if (one?.mood === 'roams' && one.seen > 0.6) this.rings.add(one, 0.15);
  }

  /** The fish on the hook is not to be overlooked. */
  private churn(dt: number): void {
    const { game } = this;
    const pull = game.fight?.pull ?? 0;
    if (Math.random() < dt * (3 + 12 * pull)) this.rings.add(game.float, 0.25 + pull * 0.3);
    if (Math.random() < dt * 14 * pull) this.effects.splash(this.lake, game.float, 0.25);
  }

  private leap(c: CanvasRenderingContext2D, palette: Palette, dt: number): void {
    const { lake, game } = this;
    if (!game.fish) return;
    const t = clamp(game.time / LEAP, 0, 1);
    const from = lake.place(game.float);
    const [x, y] = [mix(from.x, lake.width / 2, smooth(t)), mix(from.y, lake.height * 0.38, 1 - (1 - t) ** 2.4)];
    if (!this.calm() && Math.random() < dt * 34 * (1 - t)) this.effects.drip(x, y, lake.unit);
    const length = mix(70, 150, t) * lake.unit * (0.75 + game.fish.species.length);
    const angle = this.calm() ? 0 : mix(-1.3, 0.06, smooth(t * 1.15));
    c.strokeStyle = palette.glint;
    c.globalAlpha = 0.6 * (1 - t);
    c.lineWidth = lake.unit;
    c.beginPath();
    c.moveTo(x, y);
    c.lineTo(lake.width * 0.66, lake.height * 0.66);
    c.stroke();
    c.globalAlpha = 1;
    drawFish(c, game.fish.species, x, y, length, angle, this.calm() ? 0 : Math.sin(this.time * 24) * (1 - t * 0.6));
  }

  /** A phone that can't keep up gets fewer dots: motion matters more than edges. */
  private soften(dt: number): void {
    this.slow = Math.max(0, this.slow + (dt > SLOW_FRAME ? dt : -2 * dt));
    const dots = this.canvas.width / this.lake.width;
    if (this.slow < PATIENCE || dots <= 1) return;
    this.slow = 0;
    this.sharpness = Math.max(1, dots * 0.72);
    this.resize();
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    const dots = Math.min(this.sharpness, window.devicePixelRatio || 1);
    this.canvas.width = Math.round(width * dots);
    this.canvas.height = Math.round(height * dots);
    this.lake.resize(width, height);
    // A canvas that is resized is empty until it is drawn.
    this.draw(0);
  }
}

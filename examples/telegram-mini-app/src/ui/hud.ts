// What stands over the lake: level, pearls, the connection, and what to do now.

import type { State } from 'castline';
import type { Game, GameEvent, Phase, Why } from '../game/game.js';
import { needed, type Progress } from '../game/progress.js';
import { calm, get, say } from './dom.js';

const HINTS: Record<Phase, string> = {
  idle: 'Tap the water near a shadow',
  cast: '',
  wait: 'Wait for it …',
  bite: 'Now! Tap!',
  fight: 'Hold to reel, let go when it pulls',
  landing: '',
  caught: '',
  lost: '',
};
const LOST: Record<Why, string> = {
  early: 'Too soon: it was only nibbling',
  late: 'Too late: it took the bait',
  snapped: 'The line broke',
  slipped: 'It slipped off the slack line',
};
const ONLINE: Partial<Record<State, string>> = { online: 'Online', connecting: 'Connecting', closed: 'Closed' };

export class Hud {
  private readonly hint = get('hint');
  private readonly meter = get('tension');
  private shown = '';
  private metered = 0;
  private reeling = false;

  constructor(
    private readonly game: Game,
    private readonly progress: Progress,
  ) {
    this.count();
  }

  /** Level, dots and pearls. */
  count(): void {
    const { level, caught, pearls } = this.progress;
    get('level').textContent = `Level ${level}`;
    const all = needed(level);
    get('dots').replaceChildren(
      ...Array.from({ length: all }, (_, n) => Object.assign(document.createElement('i'), { className: n < caught ? 'on' : '' })),
    );
    get('dots-text').textContent = `${caught} of ${all} fish`;
    const purse = get('pearls');
    if (purse.textContent !== `${pearls}` && !calm.matches) {
      purse.parentElement?.animate({ transform: ['scale(1)', 'scale(1.22)', 'scale(1)'] }, { duration: 420, easing: 'ease-out' });
    }
    purse.textContent = `${pearls}`;
  }

  connection(state: State): void {
    const dot = get('connection');
    dot.dataset['state'] = state;
    get('connection-text').textContent = ONLINE[state] ?? 'Offline';
  }

  hear(event: GameEvent): void {
    if (event.kind === 'nibble') say('A nibble. Wait.');
    if (event.kind !== 'phase') return;
    const { phase, why } = event;
    this.hint.dataset['phase'] = phase;
    this.tell(why ? LOST[why] : HINTS[phase]);
    if (phase === 'bite') say('Bite! Press space now!', true);
    if (phase === 'fight') say('Hooked. Hold space to reel, let go when it pulls.', true);
    if (phase === 'lost' && why) say(LOST[why]);
    this.meter.hidden = phase !== 'fight';
  }

  /** Each frame; the page is touched only when something is to be seen. */
  update(dt: number): void {
    const { fight } = this.game;
    if (!fight) return;
    this.metered += dt;
    if (this.metered < 0.1) return;
    this.metered = 0;
    const percent = Math.round(Math.min(1, fight.tension) * 100);
    this.meter.setAttribute('aria-valuenow', `${percent}`);
    this.meter.setAttribute('aria-valuetext', `${percent} per cent, ${fight.danger ? 'let go' : 'reel'}`);
    this.meter.dataset['danger'] = `${fight.danger}`;
    if (fight.danger === this.reeling) {
      this.reeling = !fight.danger;
      say(fight.danger ? 'It pulls, let go!' : 'Calm, reel.', true);
    }
  }

  private tell(text: string): void {
    if (text === this.shown) return;
    this.shown = text;
    this.hint.textContent = text;
    this.hint.classList.toggle('gone', !text);
  }
}

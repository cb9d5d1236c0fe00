// The card of a catch: what it is, what it weighs, what it is worth.

import { drawFish } from '../draw/fish-art.js';
import type { Landing } from '../game/progress.js';
import { SPECIES, type Species } from '../game/species.js';
import { calm, get, say } from './dom.js';

const RARITY = ['', 'Everyday', 'Uncommon', 'Special', 'Rare', 'Legendary'];

export class Card {
  private readonly root = get('card');
  private readonly go = get<HTMLButtonElement>('card-go');

  constructor(goOn: () => void) {
    this.go.addEventListener('click', goOn);
  }

  get shown(): boolean {
    return !this.root.hidden;
  }

  show(species: Species, weight: number, landing: Landing, level: number): void {
    this.root.hidden = false;
    this.root.dataset['rarity'] = `${species.rarity}`;
    get('card-name').textContent = species.name;
    get('card-rarity').textContent = RARITY[species.rarity] ?? '';
    const news = landing.first ? `New: ${landing.kinds} of ${SPECIES.length} kinds` : landing.record ? 'Your heaviest yet' : '';
    get('card-news').textContent = news;
    get('card-weight').textContent = `${weight.toFixed(1)} kg`;
    get('card-pearls').textContent = `+${landing.pearls}`;
    get('card-level').textContent = landing.levelDone ? `Level ${level} complete` : '';
    this.go.textContent = landing.levelDone ? 'Next level' : 'Cast again';
    this.drawFish(species);
    say([`${species.name}, ${weight.toFixed(1)} kilogrammes, ${RARITY[species.rarity]}.`, news && `${news}.`, landing.levelDone && `Level ${level} complete.`].filter(Boolean).join(' '));
    this.go.focus({ preventScroll: true });
  }

  hide(): void {
    this.root.hidden = true;
  }

  private drawFish(species: Species): void {
    const canvas = get<HTMLCanvasElement>('card-fish');
    const { clientWidth: width, clientHeight: height } = canvas;
    const dots = Math.min(2.5, devicePixelRatio || 1);
    canvas.width = width * dots;
    canvas.height = height * dots;
    const c = canvas.getContext('2d') as CanvasRenderingContext2D;
    const length = Math.min(width * 0.74, (height * 0.86) / species.girth / 1.15);
    const started = performance.now();
    const frame = (now: number): void => {
      if (!this.shown) return;
      const t = (now - started) / 1_000;
      c.setTransform(dots, 0, 0, dots, 0, 0);
      c.clearRect(0, 0, width, height);
      drawFish(c, species, width * 0.52, height / 2 + Math.sin(t * 2) * 2, length, Math.sin(t * 1.3) * 0.04, calm.matches ? 0 : Math.sin(t * 7));
      if (!calm.matches) requestAnimationFrame(frame);
    };
    frame(started);
  }
}

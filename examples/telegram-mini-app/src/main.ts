// Puts the game together: lake, rules, screen; Castline beside it. The game runs from the first frame, whatever the network does.

import type { Client } from 'castline';
import { Scene } from './draw/scene.js';
import { Game, type GameEvent } from './game/game.js';
import { listen } from './game/input.js';
import { Loop } from './game/loop.js';
import { Progress } from './game/progress.js';
import { seeded } from './game/random.js';
import { Breaks } from './live/break.js';
import { readFlags } from './live/flags.js';
import { findHost } from './live/host.js';
import { Journal } from './live/journal.js';
import { followTheme, touch } from './live/telegram.js';
import { Boot } from './ui/boot.js';
import { Card } from './ui/card.js';
import { calm, get, say } from './ui/dom.js';
import { Hud } from './ui/hud.js';
import { OfferDialog } from './ui/offer-dialog.js';
import { Sound } from './ui/sound.js';

const BUILD = '1.0.0';
const SERVER = import.meta.env.VITE_CASTLINE_URL ?? 'http://127.0.0.1:8080';
/** Each level has its hour; who likes it dark begins in the evening. */
const HOURS = { light: 0.12, dark: 0.7, level: 0.13 };

const query = new URLSearchParams(location.search);
// Only tests know which fish swim where.
const seed = import.meta.env.MODE === 'test' ? Number(query.get('seed') ?? 1) : Date.now();

const canvas = get<HTMLCanvasElement>('lake');
const progress = new Progress();
const journal = new Journal();
const game = new Game(seeded(seed), (event) => hear(event));
const scene = new Scene(canvas, game, HOURS.light, () => calm.matches);
const hud = new Hud(game, progress);
const sound = new Sound();
const dialog = new OfferDialog();
const boot = new Boot(play);
const card = new Card(goOn);
const loop = new Loop((dt) => {
  game.update(dt);
  hud.update(dt);
  scene.draw(dt);
});
let client: Client | undefined;
let breaks: Breaks | undefined;
/** Between the card of a catch and the next cast. */
let busy = false;
let levelDone = false;

const playing = (): boolean => !boot.open && !card.shown && !dialog.open && !busy;
listen(canvas, game, scene.lake, playing);
const telegramIsThere = followTheme((dark) => scene.jumpTo((dark ? HOURS.dark : HOURS.light) + HOURS.level * (progress.level - 1)));
const pause = (reason: string, on: boolean): void => {
  loop.pause(reason, on);
  get('paused').hidden = !loop.paused;
};
const hidden = (): void => pause('hidden', document.hidden);
document.addEventListener('visibilitychange', hidden);
hidden();
equip();

const relaxed = get<HTMLInputElement>('relaxed');
relaxed.checked = progress.relaxed;
relaxed.addEventListener('change', () => {
  progress.relaxed = relaxed.checked;
  equip();
});

const loud = get<HTMLInputElement>('sound');
loud.checked = progress.sound;
loud.addEventListener('change', () => {
  progress.sound = sound.on = loud.checked;
});

void goLive();

/** Castline, beside the game. Nothing above waited for it, and nothing of the game fails with it. */
async function goLive(): Promise<void> {
  const debug = import.meta.env.DEV || query.has('debug') || /^(debug$|qa-)/.test(query.get('tgWebAppStartParam') ?? '');
  const tools = debug ? await Promise.all([import('./debug/cable.js'), import('./debug/drawer.js')]) : undefined;
  const cable = tools && new tools[0].Cable();
  cable?.install();
  const host = await findHost(query);
  telegramIsThere();
  get('host').textContent = { telegram: '', mock: 'Development: a mock of Telegram', guest: 'Guest: outside Telegram' }[host.kind];

  const log = (level: string, line: string): void => journal.note('log', `${level}: ${line}`);
  client = await host.connect({ url: SERVER, build: BUILD, flagUpdates: 'at-break', log });
  journal.follow(client);
  client.on('stateChanged', ({ state }) => hud.connection(state));
  client.on('flagsChanged', equip);
  hud.connection(client.state);
  breaks = new Breaks(client, dialog, journal, host.kind !== 'guest', () => readFlags(client), (goods) => {
    progress.give(goods.pearls ?? 0, goods.rod === 'golden');
    hud.count();
    equip();
    touch('success');
  });
  boot.follow(client);
  client.track('game_opened', { host: host.kind, level: progress.level });
  if (tools && cable) new tools[1].Drawer(client, host, journal, cable, (away) => pause('away', away));
}

/** Rod, pace and fish, as flags and player want them. */
function equip(): void {
  game.tackle = { strong: progress.golden, relaxed: progress.relaxed, pace: readFlags(client).fishSpeed };
  scene.golden = progress.golden;
  scene.coached = progress.novice;
}

function play(): void {
  client?.flags.apply();
  sound.on = progress.sound;
  boot.close();
  get('hud').hidden = false;
  scene.playing = true;
  // Until now it lay behind the first screen, where no key should lead.
  canvas.inert = false;
  canvas.focus({ preventScroll: true });
  say('The lake. Aim with the arrow keys, cast with space.');
}

function hear(event: GameEvent): void {
  scene.hear(event);
  hud.hear(event);
  sound.hear(event);
  if (event.kind === 'nibble') touch('light');
  if (event.kind === 'surge') touch('medium');
  if (event.kind === 'phase') {
    canvas.dataset['phase'] = event.phase;
    if (event.phase === 'bite') touch('heavy');
    if (event.phase === 'lost') touch('error');
  }
  if (event.kind === 'caught') caught(event);
}

/** A catch is counted, shown, and told; a rare one, or the level's last, is a break. */
function caught({ fish: { species }, weight }: GameEvent & { kind: 'caught' }): void {
  touch('success');
  const { level } = progress;
  const landing = progress.land(species, weight);
  levelDone = landing.levelDone;
  hud.count();
  card.show(species, weight, landing, level);
  client?.track('fish_caught', { species: species.id, rarity: species.rarity, weight });
  if (levelDone) client?.track('level_completed', { level });
  if (landing.rare) breaks?.begin('rare_fish', { level, rarity: species.rarity });
  else if (levelDone) breaks?.begin('level_completed', { level });
}

async function goOn(): Promise<void> {
  card.hide();
  busy = true;
  await breaks?.end();
  busy = false;
  if (levelDone) {
    levelDone = false;
    progress.nextLevel();
    scene.hour += HOURS.level;
    hud.count();
  }
  // What an operator has changed meanwhile holds from here on, and not in the midst of a fight.
  client?.flags.apply();
  equip();
  game.resume();
  canvas.focus({ preventScroll: true });
}

// The colours of the hour. The day goes round: dawn, day, golden hour, dusk, night.

import { mix } from '../game/lake.js';

type Rgb = readonly [number, number, number];

const NAMES = [
  'skyTop', 'skyMid', 'skyLow', 'hillFar', 'hillNear', 'waterFar', 'waterMid', 'waterNear', 'shadow', 'glint', 'sun', 'wood', 'leaf',
] as const;
type Name = (typeof NAMES)[number];
export type Palette = Record<Name, string> & { /** 0 by day, 1 by night. */ night: number };

// In the order of NAMES.
const HOURS: readonly [at: number, night: number, colours: string][] = [
  [0.0, 0.1, '#5f86bd #f4b8a6 #ffe4c4 #9aa2c6 #62769c #f1cdb8 #6fa6bb #255a78 #173a52 #fff3df #fff3d4 #8a5f45 #2f5d50'],
  [0.2, 0, '#3b97e3 #8fd0f6 #dff4fb #9fc9d6 #5e9f86 #b6e6ee #38a3be #0f5f7c #0a3f56 #ffffff #fffae0 #b07a4e #2f7a4f'],
  [0.36, 0, '#3a8fdb #a5d8f3 #f3f4e2 #a3c3cb #629678 #cdeae6 #3d9fb6 #135c78 #0b3d52 #ffffff #fff6cf #b07a4e #2f7a4f'],
  [0.5, 0.05, '#4b74b4 #f3ab72 #ffdf9c #bb9290 #75637a #f7cb8d #8a8ba6 #2c4a6b #1a2d48 #fff0c6 #ffe9ae #9a6440 #3d5a3c'],
  [0.64, 0.55, '#252a58 #8a5290 #f59a80 #634c7c #3c335e #e0908a #5c528e #1c2450 #0f1632 #ffd2bb #ffc09c #6a4636 #243a3c'],
  [0.78, 1, '#070e26 #14264c #31507a #1c3050 #0e1b34 #3a5d88 #17325e #071430 #020816 #d6e7ff #f5f2dc #3b3038 #10262c'],
  [0.9, 0.9, '#0c1634 #2a3a6a #7a6f96 #283659 #16233f #6f7ba0 #24406c #0b1c3c #050d20 #e4e6ff #f5f2dc #4a3a3c #16302f'],
  [1.0, 0.1, '#5f86bd #f4b8a6 #ffe4c4 #9aa2c6 #62769c #f1cdb8 #6fa6bb #255a78 #173a52 #fff3df #fff3d4 #8a5f45 #2f5d50'],
];

const rgb = (hex: string): Rgb => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)) as unknown as Rgb;
const STOPS = HOURS.map(([at, night, colours]) => ({ at, night, colours: colours.split(' ').map(rgb) }));

/** `hour` goes on for ever; its fraction is the time of day. */
export function paletteAt(hour: number): Palette {
  const at = hour - Math.floor(hour);
  const next = Math.max(1, STOPS.findIndex((stop) => stop.at >= at));
  const [a, b] = [STOPS[next - 1], STOPS[next]] as [(typeof STOPS)[0], (typeof STOPS)[0]];
  const t = (at - a.at) / (b.at - a.at);
  const palette = { night: mix(a.night, b.night, t) } as Palette;
  NAMES.forEach((name, n) => {
    const [from, to] = [a.colours[n], b.colours[n]] as [Rgb, Rgb];
    palette[name] = `rgb(${from.map((part, channel) => Math.round(mix(part, to[channel] as number, t))).join(' ')})`;
  });
  return palette;
}

/** A colour of the palette, see-through. */
export const faint = (colour: string, alpha: number): string => colour.replace(')', ` / ${alpha.toFixed(3)})`);

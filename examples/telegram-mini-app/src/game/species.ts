// What swims in the lake.

import type { Random } from './random.js';

export interface Species {
  id: string;
  name: string;
  /** 1 is everyday; from 4 on it is a rare fish, and landing it is a break of the game. */
  rarity: 1 | 2 | 3 | 4 | 5;
  /** How often, beside the others. */
  often: number;
  /** Length of the shadow, in widths of half the lake. */
  length: number;
  /** Width by length. */
  girth: number;
  /** Kilogrammes. */
  weight: readonly [number, number];
  /** How hard it pulls, and how many surges a minute. */
  strength: number;
  surges: number;
  pearls: number;
  colours: { back: string; side: string; belly: string; fin: string; mark: string };
  pattern: 'stripes' | 'spots' | 'scales' | 'plain' | 'band';
}

export const RARE = 4;

export const SPECIES: readonly Species[] = [
  {
    id: 'roach', name: 'Roach', rarity: 1, often: 28, length: 0.17, girth: 0.34, weight: [0.2, 0.7], strength: 0.55, surges: 22, pearls: 10,
    colours: { back: '#5c7f94', side: '#b9cfd8', belly: '#f3f7f4', fin: '#d9694a', mark: '#8fb0bf' }, pattern: 'scales',
  },
  {
    id: 'perch', name: 'Perch', rarity: 1, often: 26, length: 0.19, girth: 0.38, weight: [0.3, 1.2], strength: 0.64, surges: 24, pearls: 15,
    colours: { back: '#4a6b3a', side: '#a9b85a', belly: '#f2ecc4', fin: '#e2703a', mark: '#3c5530' }, pattern: 'stripes',
  },
  {
    id: 'bream', name: 'Bream', rarity: 2, often: 18, length: 0.23, girth: 0.48, weight: [0.8, 3.1], strength: 0.74, surges: 22, pearls: 25,
    colours: { back: '#7a6a4d', side: '#c9b27c', belly: '#f5ecd2', fin: '#6c5a47', mark: '#a58f5f' }, pattern: 'scales',
  },
  {
    id: 'trout', name: 'Rainbow trout', rarity: 3, often: 13, length: 0.24, girth: 0.3, weight: [0.9, 3.8], strength: 0.82, surges: 30, pearls: 40,
    colours: { back: '#4f7d78', side: '#a8c7b4', belly: '#f6f1ea', fin: '#7fa08f', mark: '#e8718a' }, pattern: 'band',
  },
  {
    id: 'pike', name: 'Pike', rarity: 3, often: 9, length: 0.34, girth: 0.22, weight: [2.4, 9.5], strength: 0.92, surges: 26, pearls: 60,
    colours: { back: '#3f5a3a', side: '#7f9a55', belly: '#eee9c6', fin: '#8a6a3c', mark: '#d6dc9a' }, pattern: 'spots',
  },
  {
    id: 'golden_carp', name: 'Golden carp', rarity: 4, often: 7, length: 0.3, girth: 0.42, weight: [3.5, 11], strength: 0.98, surges: 25, pearls: 150,
    colours: { back: '#d98a1f', side: '#ffc94d', belly: '#fff2c2', fin: '#f0862e', mark: '#fff0b0' }, pattern: 'scales',
  },
  {
    id: 'catfish', name: 'Giant catfish', rarity: 4, often: 5, length: 0.42, girth: 0.32, weight: [14, 46], strength: 1.08, surges: 22, pearls: 180,
    colours: { back: '#3b3f52', side: '#6a6f86', belly: '#d9d3cf', fin: '#474b60', mark: '#555a72' }, pattern: 'plain',
  },
  {
    id: 'moonfish', name: 'Moonfish', rarity: 5, often: 3, length: 0.28, girth: 0.56, weight: [5, 9], strength: 1.12, surges: 27, pearls: 400,
    colours: { back: '#5b6bd6', side: '#b7c6ff', belly: '#fdfbff', fin: '#8f7bea', mark: '#ffffff' }, pattern: 'spots',
  },
];

export function pick(random: Random): Species {
  let at = random() * SPECIES.reduce((sum, { often }) => sum + often, 0);
  for (const species of SPECIES) {
    at -= species.often;
    if (at < 0) return species;
  }
  return SPECIES[0] as Species;
}

// The fight, by hands of different kinds, without screen or clock: it must be winnable, and it must be possible to lose it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createServer } from 'vite';

const FRAME = 1 / 60;
const FIGHTS = 200;

let vite;
let rules;
before(async () => {
  vite = await createServer({ root: new URL('../', import.meta.url).pathname, server: { middlewareMode: true, watch: null }, logLevel: 'warn', appType: 'custom' });
  const [{ Fight }, { SPECIES, RARE }, { seeded }] = await Promise.all(['fight', 'species', 'random'].map((name) => vite.ssrLoadModule(`/src/game/${name}.ts`)));
  rules = { Fight, SPECIES, RARE, seeded };
});
after(() => vite.close());

/** How many of the fights end in which way; `hand` is told what was seen, frame by frame, and says whether to reel. */
function fights(species, hand, tackle = {}) {
  const ends = { landed: 0, snapped: 0, slipped: 0, endless: 0 };
  for (let seed = 0; seed < FIGHTS; seed += 1) {
    const fight = new rules.Fight(species, 0.5, { strong: false, relaxed: false, pace: 1, ...tackle }, rules.seeded(seed));
    const danger = [];
    let end;
    while (!end && danger.length < 90 / FRAME) {
      end = fight.update(FRAME, hand(danger));
      danger.push(fight.danger);
    }
    ends[end ?? 'endless'] += 1;
  }
  return ends;
}

/** Does what the gauge says, so many seconds late. */
const late = (seconds) => (danger) => !(danger.at(-1 - Math.round(seconds / FRAME)) ?? false);
const always = () => true;
const never = () => false;

test('who reacts as people do lands every fish', () => {
  for (const species of rules.SPECIES) assert.deepEqual(fights(species, late(0.3)), { landed: FIGHTS, snapped: 0, slipped: 0, endless: 0 }, species.id);
});

test('who only pulls lands the small ones, and loses the rare', () => {
  for (const species of rules.SPECIES) {
    const { landed, snapped } = fights(species, always);
    if (species.rarity === 1) assert.equal(landed, FIGHTS, species.id);
    if (species.rarity >= rules.RARE) assert.equal(snapped, FIGHTS, species.id);
  }
});

test('who is slow loses the largest, but not with a relaxed pace or a better rod', () => {
  const largest = rules.SPECIES.find(({ id }) => id === 'catfish');
  assert.ok(fights(largest, late(0.5)).snapped > FIGHTS / 2);
  assert.equal(fights(largest, late(0.5), { strong: true }).landed, FIGHTS);
  assert.equal(fights(largest, late(1), { relaxed: true }).snapped, 0);
});

test('a line that nobody reels in goes slack, and the fish is gone', () => {
  for (const species of rules.SPECIES) assert.equal(fights(species, never).slipped, FIGHTS, species.id);
});

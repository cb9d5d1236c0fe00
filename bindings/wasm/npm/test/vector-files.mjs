import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

/** The files of vectors that this face runs. The others are the server's, or test what no call of a game reaches. */
export function files() {
  const read = (name) => JSON.parse(readFileSync(new URL(`../../../../tests/vectors/${name}.json`, import.meta.url), 'utf8'));
  return Object.fromEntries(['flags', 'envelope', 'offers'].map((name) => [name, read(name)]));
}

/** Runs them in a browser's page. */
export async function passIn(page) {
  const { failures, cases } = await page.evaluate(async (vectors) => {
    const { run } = await import('/test/vectors.mjs');
    await window.castline.init();
    return run(window.castline, vectors);
  }, files());
  assert.equal(failures.length, 0, failures.slice(0, 10).join('\n'));
  assert.ok(cases > 300);
}

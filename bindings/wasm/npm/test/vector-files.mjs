import { readFileSync } from 'node:fs';

/** The files of vectors that this face runs. The others are the server's, or test what no call of a game reaches. */
export function files() {
  const read = (name) => JSON.parse(readFileSync(new URL(`../../../../tests/vectors/${name}.json`, import.meta.url), 'utf8'));
  return Object.fromEntries(['flags', 'envelope', 'offers'].map((name) => [name, read(name)]));
}

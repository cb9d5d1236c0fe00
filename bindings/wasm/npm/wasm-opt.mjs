// How wasm-opt is called, by the build and by the size table.

import { join } from 'node:path';

/** All of them are on by default in every browser since 2021. */
const FEATURES = ['bulk-memory', 'nontrapping-float-to-int', 'sign-ext', 'mutable-globals', 'reference-types', 'multivalue'];

/**
 * What each is worth, gzipped, of 93 KB. Tried and left out, for they were worth nothing or less: `-Os`, `--gufa`, `-tnh`, `--reorder-functions`,
 * `--merge-similar-functions`, `--closed-world`.
 */
const PASSES = [
  '-Oz',
  // Again until nothing gets smaller: 0.2 %.
  '--converge',
  // Large functions with one caller stay functions of their own: more bytes, but gzip finds more that is alike. 1.3 %.
  '--one-caller-inline-max-function-size=20',
  // The stack begins below the data, so that nothing lies in the first 1,024 bytes: 0.3 %.
  '--low-memory-unused',
];

/** Program and arguments. */
export function wasmOpt(from, to, more = ['--strip-debug', '--strip-producers']) {
  const program = join(import.meta.dirname, 'node_modules/.bin/wasm-opt');
  return [program, [...PASSES, ...FEATURES.map((name) => `--enable-${name}`), ...more, from, '-o', to]];
}

// How the module is made small after the compiler: by the build, and for the size table.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ordered } from './order.mjs';

const PROGRAM = join(import.meta.dirname, 'node_modules/.bin/wasm-opt');

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
  // For the linker, which is done: 0.1 KB.
  '--remove-exports=__*',
  ...FEATURES.map((name) => `--enable-${name}`),
];

/** The names of functions are for the size table alone. */
export function optimise(from, to, { names = false } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'castline-wasm-'));
  const text = join(directory, 'module.wat');
  execFileSync(PROGRAM, [...PASSES, '-g', '-S', from, '-o', text]);
  writeFileSync(text, ordered(readFileSync(text, 'utf8')));
  const rest = names ? ['-g'] : ['--strip-debug', '--strip-producers', '--strip-target-features'];
  execFileSync(PROGRAM, [...PASSES, ...rest, text, '-o', to]);
  rmSync(directory, { recursive: true });
}

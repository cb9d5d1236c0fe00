// How wasm-opt is called, by the build and by the size table.

import { join } from 'node:path';

/** All of them are on by default in every browser since 2021. */
const FEATURES = ['bulk-memory', 'nontrapping-float-to-int', 'sign-ext', 'mutable-globals', 'reference-types', 'multivalue'];

/** A function with one caller stays one unless it is tiny: without, the module is 2 % smaller, and 4 % larger when it is compressed. */
const INLINING = ['--one-caller-inline-max-function-size', '10'];

/** Program and arguments. `-Oz` alone: a second round, `--converge` and `--merge-similar-functions` were worth 0.2 % and took a minute. */
export function wasmOpt(from, to, more = ['--strip-debug', '--strip-producers']) {
  const program = join(import.meta.dirname, 'node_modules/.bin/wasm-opt');
  return [program, ['-Oz', ...INLINING, ...FEATURES.map((name) => `--enable-${name}`), ...more, from, '-o', to]];
}

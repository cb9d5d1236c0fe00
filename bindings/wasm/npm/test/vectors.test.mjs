// The shared vectors in Node.js; `browser.test.mjs` runs them in Chromium, `firefox.test.mjs` in Firefox.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as lib from '../dist/index.js';
import { files } from './vector-files.mjs';
import { run } from './vectors.mjs';

test('the shared vectors', async () => {
  await lib.init();
  const { failures, cases } = await run(lib, files());
  assert.equal(failures.length, 0, failures.slice(0, 20).join('\n'));
  assert.ok(cases > 300, `${cases}`);
});

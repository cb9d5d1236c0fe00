// What is published: its files, its declarations, and whether the tools that look for mistakes in packages find any.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';

const cwd = join(import.meta.dirname, '..');
const directory = mkdtempSync(join(tmpdir(), 'castline-pack-'));
after(() => rmSync(directory, { recursive: true, force: true }));

/** Runs a tool of the package's own; what it says is the failure's text. */
async function tool(name, ...args) {
  try {
    return (await promisify(execFile)(name === 'npm' ? name : join(cwd, 'node_modules/.bin', name), args, { cwd })).stdout;
  } catch (error) {
    throw new Error(`${name} ${args.join(' ')}\n${error.stdout}${error.stderr}`);
  }
}

const packed = tool('npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', directory).then((out) => JSON.parse(out)[0]);

test('what is in the archive', async () => {
  const { files } = await packed;
  assert.deepEqual(files.map(({ path }) => path).sort(), [
    'LICENSE-APACHE',
    'LICENSE-MIT',
    'README.md',
    'dist/castline_bg.wasm',
    'dist/cocos.d.ts',
    'dist/cocos.js',
    'dist/connect.d.ts',
    'dist/core.js',
    'dist/error.d.ts',
    'dist/index.d.ts',
    'dist/index.js',
    'dist/provenance.d.ts',
    'dist/telegram.d.ts',
    'dist/telegram.js',
    'dist/types.d.ts',
    'package.json',
  ]);
});

test('publint finds nothing', async () => {
  const { filename } = await packed;
  assert.match(await tool('publint', '--strict', join(directory, filename)), /All good/);
});

test('arethetypeswrong finds nothing', async () => {
  const { filename } = await packed;
  // The package is ESM, and says so.
  await tool('attw', '--profile', 'esm-only', join(directory, filename), '--exclude-entrypoints', 'castline_bg.wasm', 'package.json');
});

test('the declarations promise what the API does', async () => {
  await tool('tsc', '--project', 'test/types');
});

/** What the README's first example leaves to the game. */
const GAME = `
declare function renderShop(price: string): void;
declare function hideOffer(offerId: string): void;
declare function reloadState(): void;
declare function showOffline(cause: string): void;
declare function showOffer(title: string, imageUrl: string, leftMs: number): Promise<boolean>;
declare function nextLevel(): void;
`;

test('the README’s lines pass a strict compiler as they stand', async () => {
  const blocks = [...readFileSync(join(cwd, 'README.md'), 'utf8').matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code);
  assert.equal(blocks.length, 3);
  const files = blocks.map((code, n) => {
    writeFileSync(join(directory, `readme${n}.ts`), `${code}${n ? '' : GAME}export { ${n === 1 ? 'init' : 'client'} as last };\n`);
    return `readme${n}.ts`;
  });
  const paths = Object.fromEntries([['castline', 'index'], ['castline/telegram', 'telegram']].map(([name, file]) => [name, [join(cwd, `dist/${file}.d.ts`)]]));
  const compilerOptions = {
    target: 'es2022', module: 'esnext', moduleResolution: 'bundler', lib: ['es2022', 'dom'], types: [], paths, noEmit: true,
    strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noUnusedLocals: true, noImplicitReturns: true,
  };
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
  await tool('tsc', '--project', directory);
});

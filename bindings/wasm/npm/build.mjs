// Makes `dist` from `src` and from `generated`, which `cargo xtask npm` filled. Minified: what the size budget counts is what is shipped.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import esbuild from 'esbuild';
import { optimise } from './wasm-opt.mjs';

process.chdir(import.meta.dirname);
const bin = (name) => join('node_modules/.bin', name);
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));

rmSync('dist', { recursive: true, force: true });
mkdirSync('dist');

const wasm = 'dist/castline_bg.wasm';
optimise('generated/castline_bg.wasm', wasm);

const sha256 = createHash('sha256').update(readFileSync(wasm)).digest('hex');
writeFileSync('src/provenance.ts', `// Written by build.mjs.

/** The package's version. */
export const version: string = '${version}';
/** SHA-256 of \`castline_bg.wasm\`, to check a copy that is served from elsewhere. */
export const wasmSha256: string = '${sha256}';
`);

// The generated module has its declarations under another name.
const declared = readFileSync('generated/castline.d.ts', 'utf8');
writeFileSync('generated/castline_bg.d.ts', `${declared}\nexport function __wbg_set_wasm(exports: WebAssembly.Exports): void;\n`);

// Which number means what at the module's doors: `src/numbers.rs` of the crate says it, and nothing else.
const doors = readFileSync('../src/numbers.rs', 'utf8').split(/^pub\(crate\) mod /m).slice(1);
const enums = doors.map((door) => {
  const [, first, rest] = /^(.)(\w+)/.exec(door);
  const numbers = [...door.matchAll(/const (\w+): u32 = (\d+);/g)].map(([, name, number]) => {
    const camel = name.toLowerCase().replace(/_(.)/g, (_, letter) => letter.toUpperCase());
    return `  ${camel} = ${number},\n`;
  });
  return `\nexport const enum ${first.toUpperCase()}${rest} {\n${numbers.join('')}}\n`;
});
writeFileSync('src/numbers.ts', `// Written by build.mjs, from the numbers of the module's source.\n${enums.join('')}`);

execFileSync(bin('tsc'), ['--project', 'tsconfig.json'], { stdio: 'inherit' });

await esbuild.build({
  absWorkingDir: import.meta.dirname,
  entryPoints: ['src/index.ts', 'src/telegram.ts', 'src/cocos.ts'],
  external: ['cc'],
  outdir: 'dist',
  bundle: true,
  splitting: true,
  chunkNames: 'core',
  format: 'esm',
  target: 'es2022',
  minify: true,
  legalComments: 'none',
  logLevel: 'warning',
});
// What no entry's declarations lead to stays at home.
const published = new Set(['index', 'telegram', 'cocos', 'connect', 'error', 'provenance', 'types']);
for (const file of readdirSync('dist')) {
  if (file.endsWith('.d.ts') && !published.has(file.slice(0, -5))) rmSync(join('dist', file));
}
for (const licence of ['LICENSE-APACHE', 'LICENSE-MIT']) cpSync(join('../../..', licence), licence);

// `cargo xtask size`: what is shipped, gzipped, against the budget; and what the module is made of. `--check` prints the first part alone.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { optimise } from './wasm-opt.mjs';

process.chdir(import.meta.dirname);
const { budgetBytes } = JSON.parse(readFileSync('size-budget.json', 'utf8'));
const row = (name, ...numbers) => console.log(name.padEnd(44) + numbers.map((n) => String(n).padStart(10)).join(''));

row('shipped', 'bytes', 'gzip -9', 'brotli');
let total = 0;
let brotli = 0;
for (const file of ['castline_bg.wasm', 'core.js', 'index.js', 'telegram.js', 'cocos.js']) {
  const bytes = readFileSync(join('dist', file));
  const packed = gzipSync(bytes, { level: 9 }).length;
  // The two last are loaded by those who want them.
  const counts = file !== 'telegram.js' && file !== 'cocos.js';
  const most = brotliCompressSync(bytes).length;
  if (counts) total += packed;
  if (counts) brotli += most;
  row(`${file}${counts ? '' : ' (where it is used)'}`, bytes.length, packed, most);
}
row('all of it', '', total, brotli);
row('budget', '', budgetBytes);
if (total > budgetBytes) {
  console.error(`${total - budgetBytes} bytes above the budget of size-budget.json`);
  process.exitCode = 1;
} else if (total < budgetBytes * 0.97) {
  // A budget with room in it is one that nobody notices being used up.
  console.error('more than 3 % below the budget: set it to what was reached, in size-budget.json');
  process.exitCode = 1;
}
function parts() {
  const directory = mkdtempSync(join(tmpdir(), 'castline-size-'));
  const named = join(directory, 'named.wasm');
  optimise('generated/castline_bg.wasm', named, { names: true });
  const sums = new Map();
  for (const { name, size } of functions(readFileSync(named))) {
    const part = PARTS.find(([, pattern]) => pattern.test(name))[0];
    const sum = sums.get(part) ?? { count: 0, size: 0 };
    sums.set(part, { count: sum.count + 1, size: sum.size + size });
  }
  rmSync(directory, { recursive: true });
  console.log();
  row('the code of the module', 'functions', 'bytes');
  for (const [part, { count, size }] of [...sums].sort((a, b) => b[1].size - a[1].size)) row(part, count, size);
}

/** The first that fits. A generic function counts where it is written, not where it is used. */
const PARTS = [
  ['allocator', /castline_wasm::allocator|__rdl|__rust_(re|de)?alloc/],
  ['the binding, and wasm-bindgen', /castline_wasm|wasm_bindgen|wbindgen|^(call|room)\b/],
  ['numbers as text, and back', /flt2dec|dec2flt|core::num|protocol::decimal/],
  ['JSON and the types of the wire', /castline::protocol/],
  ['core: connection, requests, identity, offers', /castline::core/],
  ['core: flags', /castline::flags/],
  ['core: analytics', /castline::analytics/],
  ['core: session, rooms, gate, inbox, commands', /castline::/],
  ['formatting, panics', /core::fmt|panic/],
  ['queues', /vec_deque/],
  ['vectors and strings, as each type needs them', /alloc::|RawVec|raw_vec|SpecFromIter|drop_in_place|core::ptr/],
  ['the rest of the standard library', /^/],
];

if (!process.argv.includes('--check')) parts();

function functions(bytes) {
  let at = 8;
  const number = () => {
    for (let value = 0, shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
    }
  };
  const text = () => {
    const length = number();
    return bytes.toString('utf8', at, (at += length));
  };
  let imported = 0;
  const sizes = [];
  const names = new Map();
  while (at < bytes.length) {
    const section = bytes[at++];
    const end = number() + at;
    if (section === 2) {
      for (let count = number(); count > 0; count--) {
        text();
        text();
        const kind = bytes[at++];
        if (kind === 0) imported++;
        if (kind === 1) at++;
        if (kind === 1 || kind === 2) {
          const flags = number();
          number();
          if (flags & 1) number();
        } else if (kind === 3) at += 2;
        else number();
      }
    } else if (section === 10) {
      for (let count = number(); count > 0; count--) {
        const size = number();
        sizes.push(size);
        at += size;
      }
    } else if (section === 0 && text() === 'name') {
      while (at < end) {
        const kind = bytes[at++];
        const last = number() + at;
        if (kind === 1) for (let count = number(); count > 0; count--) names.set(number(), text());
        at = last;
      }
    }
    at = end;
  }
  // Each crate's name comes with its hash.
  const name = (index) => names.get(imported + index)?.replace(/\[[0-9a-f]+\]/g, '') ?? '';
  return sizes.map((size, index) => ({ size, name: name(index) }));
}

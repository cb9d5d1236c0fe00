// Finding, compiling and starting the WebAssembly module, once for all clients of a page.

import * as glue from '../generated/castline_bg.js';
import { attach } from './crossing.js';
import type { WasmSource } from './types.js';

/** Under the name by which the module asks for it. */
const imports = { './castline_bg.js': glue as unknown as WebAssembly.ModuleImports };

let loading: Promise<void> | undefined;

/** The module, loaded at the first call. A load that failed is tried again by the next call. */
export function load(source?: WasmSource | Promise<WasmSource>): Promise<void> {
  loading ??= start(source).catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function start(source?: WasmSource | Promise<WasmSource>): Promise<void> {
  // Bundlers know this form and carry the file along.
  const from = (await source) ?? new URL('./castline_bg.wasm', import.meta.url);
  const instance = await instantiate(from);
  glue.__wbg_set_wasm(instance.exports);
  attach(glue, instance.exports.memory as WebAssembly.Memory);
}

async function instantiate(from: WasmSource): Promise<WebAssembly.Instance> {
  if (from instanceof WebAssembly.Module) return WebAssembly.instantiate(from, imports);
  if (from instanceof ArrayBuffer || ArrayBuffer.isView(from)) {
    return (await WebAssembly.instantiate(from as BufferSource, imports)).instance;
  }
  if (typeof from === 'string' || from instanceof URL) {
    if (`${from}`.startsWith('file:')) return instantiate(await file(`${from}`));
    from = await fetch(from);
  }
  const response = from as Response;
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}`);
  // A server that doesn't know the type `application/wasm` makes streaming fail, and only that.
  if (response.headers.get('content-type')?.startsWith('application/wasm')) {
    return (await WebAssembly.instantiateStreaming(response, imports)).instance;
  }
  return (await WebAssembly.instantiate(await response.arrayBuffer(), imports)).instance;
}

/** Node.js fetches no files. Asked for at run time, so that no bundler for browsers looks for it. */
async function file(url: string): Promise<BufferSource> {
  type Files = { readFile(path: URL): Promise<Uint8Array<ArrayBuffer>> };
  type Node = { process?: { getBuiltinModule?(name: string): Files } };
  const fs = (globalThis as Node).process?.getBuiltinModule?.('node:fs/promises');
  if (!fs) throw new Error(`cannot read ${url} here`);
  return fs.readFile(new URL(url));
}

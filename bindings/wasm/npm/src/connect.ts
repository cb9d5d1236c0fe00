// Making a client: the options, the module, the storage, and what is left where one of them is missing.

import { CastlineClient } from './client.js';
import { CastlineError, invalid, optionalText, text } from './error.js';
import { load } from './load.js';
import { openStore } from './storage.js';
import type { Client, LogLevel, Options, WasmSource } from './types.js';

/** Preloads the module; optional, idempotent. Without it `connect` loads `castline_bg.wasm` from beside this file. */
export async function init(options: { wasm?: WasmSource | Promise<WasmSource> } = {}): Promise<void> {
  await load(options.wasm);
}

/**
 * Makes a client and starts to connect. Rejects for bad options only.
 *
 * Where the module can't be loaded the client is inert: flags give their defaults, `offers.ready` gives `null`, requests reject
 * with `NOT_SENT`, its state is `failed` for `unsupported`.
 */
export async function connect(options: Options): Promise<Client> {
  return open(options, undefined);
}

/** The same with Telegram's word in place of a token. For `castline/telegram`. @internal */
export async function open(options: Options, initData: string | undefined): Promise<Client> {
  check(options, initData);
  const early: string[] = [];
  const [missing, store] = await Promise.all([
    load().catch((error: unknown) => `${error}`),
    openStore(options, (line) => early.push(line)),
  ]);
  const client = new CastlineClient(options, store);
  const log = (level: LogLevel, line: string): void => client.log(level, line);
  for (const line of early) log('warn', line);
  if (missing !== undefined) {
    store.release();
    log('error', `the module cannot be loaded, so the SDK does nothing here: ${missing}`);
    client.startInert();
    return client;
  }
  const { url, build, playerId, token } = options;
  try {
    client.start([
      url,
      build,
      playerId,
      typeof token === 'string' && initData === undefined ? token : undefined,
      initData,
      options.flagUpdates === 'at-break' ? '' : undefined,
      store.persistent ? '' : undefined,
    ]);
  } catch (error) {
    store.release();
    if (error instanceof CastlineError) throw error;
    log('error', `internal error; the SDK does nothing here: ${error}`);
    client.startInert();
  }
  return client;
}

/** What the core doesn't look at: that each option is of its type. */
function check(options: Options, initData: string | undefined): void {
  if (typeof options !== 'object' || options === null) throw invalid('options must be an object');
  text(options.url, 'url');
  text(options.build, 'build');
  optionalText(options.playerId, 'playerId');
  const oneOf = (name: 'flagUpdates' | 'lifecycle', words: string[]): void => {
    const value: unknown = options[name];
    if (value !== undefined && !words.includes(value as string)) throw invalid(`${name} must be ${words.join(' or ')}`);
  };
  oneOf('flagUpdates', ['immediate', 'at-break']);
  oneOf('lifecycle', ['automatic', 'manual']);
  if (initData === undefined && typeof options.token !== 'function') text(options.token, 'token');
  const storage: unknown = options.storage ?? 'local';
  if (storage !== 'local' && storage !== 'memory' && typeof (storage as Storage)?.getItem !== 'function') {
    throw invalid("storage must be 'local', 'memory' or an object with getItem, setItem and removeItem");
  }
  if (options.log !== undefined && typeof options.log !== 'function') throw invalid('log must be a function');
}

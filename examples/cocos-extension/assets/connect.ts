import { Game, game, native, sys } from 'cc';
import { inertClient } from './inert';
import { NativeClient } from './native-client';
import type { NativeOptions } from './native-client';
import { nativePlugin } from './native-module';
import type { Client, Options } from './types';

export type { NativeOptions };

/** The npm package `castline`, which web builds use. */
export interface WebPackage {
  init(options?: { wasm?: any }): Promise<void>;
  connect(options: Options): Promise<Client>;
}

let web: { sdk: WebPackage; wasm: unknown } | undefined;

/** For web builds, once, before the first `connectCocos`: the npm package, and where its `castline_bg.wasm` is (or its bytes, or the module). */
export function useWebPackage(sdk: WebPackage, wasm?: unknown): void {
  web = { sdk, wasm };
}

/**
 * Native builds use the C library, web builds the wasm, behind the same client. Rejects for bad options only. Where neither is there the
 * client is inert: flags give defaults, `ready` gives null, requests reject with `NOT_SENT`, and the state is `failed`.
 */
export async function connectCocos(options: NativeOptions): Promise<Client> {
  const Plugin = nativePlugin();
  if (Plugin) return NativeClient.connect(Plugin, options, `${native.fileUtils.getWritablePath()}castline`);
  if (sys.isNative) return inertClient(options, 'this build has no native plugin of Castline: is the folder castline in extensions/?');
  if (!web) return inertClient(options, 'a web build needs the npm package castline: call useWebPackage first');
  await web.sdk.init(web.wasm === undefined ? undefined : { wasm: web.wasm });
  const client = await web.sdk.connect(options);
  if (options.lifecycle !== 'manual') followGame(client);
  return client;
}

/** Hide and show as the engine tells them: in the small games of other apps there is no visibility of a page. */
function followGame(client: Client): void {
  const hide = () => client.lifecycle('background');
  const show = () => client.lifecycle('foreground');
  game.on(Game.EVENT_HIDE, hide);
  game.on(Game.EVENT_SHOW, show);
  client.on('stateChanged', ({ state }) => {
    if (state !== 'closed') return;
    game.off(Game.EVENT_HIDE, hide);
    game.off(Game.EVENT_SHOW, show);
  });
}

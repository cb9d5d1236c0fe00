// Cocos Creator's web builds: `connect`, with the engine's word on hide and show beside the page's.
//
// Native builds have no WebAssembly on iOS and use the C library: the extension in `examples/cocos-extension` has a `connectCocos` and a
// `CastlineComponent` for both, which take this package for the web.

import { Game, game } from 'cc';
import { connect } from './connect.js';
import type { Client, Options } from './types.js';

export async function connectCocos(options: Options): Promise<Client> {
  const client = await connect(options);
  if (options.lifecycle === 'manual') return client;
  // In the small games of other apps there is no visibility of a page.
  const hide = (): void => client.lifecycle('background');
  const show = (): void => client.lifecycle('foreground');
  game.on(Game.EVENT_HIDE, hide);
  game.on(Game.EVENT_SHOW, show);
  client.on('stateChanged', ({ state }) => {
    if (state !== 'closed') return;
    game.off(Game.EVENT_HIDE, hide);
    game.off(Game.EVENT_SHOW, show);
  });
  return client;
}

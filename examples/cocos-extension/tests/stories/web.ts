// A web build, and builds without a library: no native plugin, so the npm package is used, and where there is none the game plays on without.
import { Game, game, sys } from 'cc';
import { type Client, connectCocos, useWebPackage } from '../../assets/castline';
import { check, host, rejects, same, story } from './host';

const options = { url: 'https://live.example.com', build: '2.0.0', token: 'a.b.c', log: () => undefined };

async function plays(client: Client) {
  same('its state', client.state, 'failed');
  same('a flag', [client.flags.string('price', '$2.99'), client.flags.reason('price')], ['$2.99', 'DEFAULT']);
  same('a break', await client.offers.ready('level_completed'), null);
  same('a request', await rejects('it', client.request('game', 'x', {})), 'NOT_SENT');
  same('a bet', await rejects('it', client.bets.place({ gameId: 'dice', amount: 1, selection: 1 })), 'NOT_SENT');
  client.track('level_completed');
  for await (const event of client.events()) check(false, `no event: ${event.kind}`);
  await client.close();
  same('its state after close', client.state, 'closed');
}

story(async () => {
  const [kept, listeners] = [(globalThis as any).CastlineNative, (game as any).listeners];
  (globalThis as any).CastlineNative = undefined;
  // A native build without the folder in extensions/.
  await plays(await connectCocos(options));
  // A web build without the package.
  (sys as any).isNative = false;
  await plays(await connectCocos(options));
  same('bad options', await rejects('it', connectCocos({ ...options, url: 7 } as any)), 'INVALID_ARGUMENT');

  const told: string[] = [];
  let changed: ((event: object) => void) | undefined;
  const client = {
    lifecycle: (what: string) => told.push(what),
    on: (_kind: string, listener: (event: object) => void) => { changed = listener; return () => undefined; },
  } as unknown as Client;
  const loaded: unknown[] = [];
  useWebPackage({ init: async (given) => { loaded.push(given); }, connect: async (given) => { loaded.push(given); return client; } }, 'castline_bg.wasm');
  check(await connectCocos({ ...options, lifecycle: 'manual' }) === client, "the package's client");
  same('who follows the game, told by hand', listeners(Game.EVENT_HIDE), 0);
  check(await connectCocos(options) === client, "the package's client");
  same('what the package was given', loaded.length, 4);
  same('where its wasm is', loaded[0], { wasm: 'castline_bg.wasm' });
  game.emit(Game.EVENT_HIDE);
  game.emit(Game.EVENT_SHOW);
  same('hide and show', told, ['background', 'foreground']);
  changed?.({ kind: 'stateChanged', state: 'closed' });
  same('who follows the game after the end', [listeners(Game.EVENT_HIDE), listeners(Game.EVENT_SHOW)], [0, 0]);
  (globalThis as any).CastlineNative = kept;
  (sys as any).isNative = true;
  host.print('the native plugin is there again');
});

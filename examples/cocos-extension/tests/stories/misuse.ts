// Bad input is refused with an error that has a code, and changes nothing; a listener that throws into the plugin costs its own event.
import { connectCocos, CastlineError } from '../../assets/castline';
import { nativePlugin } from '../../assets/native-module';
import { check, host, online, rejects, same, story, throws } from './host';

story(async () => {
  const url = host.url();
  const token = async () => host.token('frida');
  const bad = (options: object) => rejects(JSON.stringify(options), connectCocos({ url, build: '2.0.0', token, storage: 'memory', ...options } as any));
  for (const options of [
    { url: '' }, { url: 'ftp://host' }, { url: 'http://example.com' }, { url: 7 }, { url: `${url}\0` }, { build: '' }, { build: undefined },
    { token: '' }, { token: 5 }, { storage: {} }, { flagUpdates: 'never' }, { lifecycle: 'sometimes' }, { log: 'yes' }, { tickBudgetMs: -1 },
    { playerId: 'x'.repeat(1000) },
  ]) same(JSON.stringify(options), await bad(options), 'INVALID_ARGUMENT');

  const client = await connectCocos({ url, build: '2.0.0', token, storage: 'memory' });
  await online(client);
  const circle: any = {};
  circle.circle = circle;
  const calls: [string, () => unknown][] = [
    ['a name with $', () => client.track('$level')], ['no name', () => client.track(undefined as any)], ['a NUL', () => client.track('level\0')],
    ['a circle', () => client.track('level', circle)], ['a list', () => client.send('game', 'x', [1] as any)],
    ['a BigInt', () => client.track('level', { gold: BigInt(7) })], ['NaN', () => client.track('level', { gold: NaN })],
    ['a channel', () => client.send('offers' as any, 'x', {})], ['an outcome', () => client.offers.result('x', 'eaten' as any)],
    ['a lifecycle', () => client.lifecycle('asleep' as any)], ['attributes', () => client.flags.setAttributes({ deep: {} } as any)],
    ['a long name', () => client.track('x'.repeat(129))],
  ];
  for (const [what, call] of calls) same(what, throws(what, call), 'INVALID_ARGUMENT');
  for (const [what, promise] of [
    ['a lease', client.offers.ready('x', { leaseMs: 0.5 })], ['a placement', client.offers.ready(null as any)],
    ['a context', client.offers.ready('x', { context: [] as any })], ['a payload', client.request('game', 'x', undefined as any)],
    ['a type', client.request('game', 'x'.repeat(129), {})], ['a timeout', client.request('game', 'x', {}, { timeoutMs: -1 })],
    ['no money', client.bets.place({ gameId: 'dice', amount: 0, selection: 1 })],
    ['half a cent', client.bets.place({ gameId: 'dice', amount: 0.5, selection: 1 })],
    ['NaN', client.bets.place({ gameId: 'dice', amount: NaN, selection: 1 })],
    ['too much', client.bets.place({ gameId: 'dice', amount: 2 ** 53, selection: 1 })],
  ] as [string, Promise<unknown>][]) same(what, await rejects(what, promise), 'INVALID_ARGUMENT');
  same('a large message', throws('it', () => client.send('game', 'x', { text: 'x'.repeat(20_000) })), 'TOO_LARGE');
  same('flags with odd names', [client.flags.bool('a\0b', true), client.flags.string('\ud800', 'd'), client.flags.int(undefined as any, 3)], [true, 'd', 3]);
  same('the client after all that', client.state, 'online');
  await client.close();
  for (const [what, call] of [
    ['track', () => client.track('x')], ['send', () => client.send('game', 'x', {})], ['result', () => client.offers.result('x', 'shown')],
    ['reconnect', () => client.reconnect()], ['apply', () => client.flags.apply()],
  ] as [string, () => unknown][]) same(`${what} after the end`, throws(what, call), 'CLOSED');
  same('a request after the end', await rejects('it', client.request('game', 'x', {})), 'CLOSED');
  await client.close();
  same('an error of ours', new CastlineError('FULL', 'x') instanceof CastlineError, true);

  // A second client on the same directory keeps nothing, and says so.
  const lines: string[] = [];
  const [first, second] = [await connectCocos({ url, build: '2.0.0', token }), await connectCocos({ url, build: '2.0.1', token, log: (level, line) => lines.push(`${level} ${line}`) })];
  check(lines.some((line) => line.startsWith('warn another client uses ')), 'the second client warns');
  await Promise.all([first.close(), second.close()]);

  // Below the TypeScript: what the plugin itself does when the function that it calls throws, and with calls before there is a client.
  const Plugin = nativePlugin()!;
  same('a plugin without a client', [new Plugin().track('x', '{}'), new Plugin().state(), new Plugin().flagBool('x', true), new Plugin().close()], [3, 0, true, 3]);
  const raw = new Plugin();
  const wish = { url: 'http://127.0.0.1:9', build: '2.0.0', playerId: '', token: 'a.b.c', dataDir: '', flagUpdates: 0, logLevel: 0, automatic: 1 };
  const kinds: number[] = [];
  const ended = new Promise<void>((resolve) => {
    const listener = (kind: number) => {
      kinds.push(kind);
      if (kind === 1000) return resolve();
      host.expectException();
      throw new Error('thrown into the plugin, on purpose');
    };
    same('connect', raw.connect(wish, listener), 0);
    same('a second connect', raw.connect(wish, listener), 2);
  });
  raw.close();
  await ended;
  check(kinds.length > 1 && kinds[kinds.length - 1] === 1000, 'after a throw the next event comes');
});

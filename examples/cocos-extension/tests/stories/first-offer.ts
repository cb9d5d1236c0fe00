// A game's first session: flags, an offer at a break, what became of it, a listener that throws, and the end.
import { connectCocos } from '../../assets/castline';
import { check, host, next, online, putFlag, putOffer, rejects, same, story } from './host';

story(async () => {
  putFlag('starter_pack_price', '$1.99', '$2.99');
  putFlag('rod', { name: 'Пила "🐟"\n', speeds: [1, 2.5] }, {});
  putFlag('depth', 12, 1);
  putOffer('starter', { placements: ['level_completed'], data: { coins: 100 } });

  let asked = 0;
  const lines: string[] = [];
  const client = await connectCocos({
    url: host.url(), build: '2.0.0', log: (level, line) => lines.push(`${level} ${line}`),
    token: async () => { asked += 1; return host.token('anna'); },
  });
  check(['connecting', 'waiting'].includes(client.state), 'it connects, or waits for the token');
  same('a flag before the first answer', client.flags.string('starter_pack_price', '$2.99'), '$2.99');
  same('an unknown flag', [client.flags.int('nothing', 0.5), client.flags.json('nothing', 7), client.flags.variant('nothing')], [0.5, 7, undefined]);

  const order: string[] = [];
  const heard: string[] = [];
  for (const kind of ['stateChanged', 'flagsChanged'] as const) client.on(kind, () => { heard.push(kind); });
  const loop = client.events();
  client.on('flagsChanged', () => { order.push('first'); throw new Error('thrown on purpose'); });
  client.on('flagsChanged', () => { order.push('second'); });
  const removed = client.on('flagsChanged', () => { order.push('never'); });
  removed();
  const { version } = await next(client, 'flagsChanged');
  same('who heard it', order, ['first', 'second']);
  check(lines.some((line) => line.includes('thrown on purpose')), 'what a listener threw is in the log');
  check(version !== '', 'flags have a version');
  const kinds: string[] = [];
  for await (const event of loop) {
    kinds.push(event.kind);
    if (event.kind === 'flagsChanged') break;
  }
  // Whether the state changes before the flags are there is the network's affair.
  same('what the loop heard', kinds.filter((kind) => heard.includes(kind)), heard.slice(0, heard.indexOf('flagsChanged') + 1));

  same('the price', client.flags.string('starter_pack_price', '$2.99'), '$1.99');
  same('its variant and reason', [client.flags.variant('starter_pack_price'), client.flags.reason('starter_pack_price')], ['treatment', 'SPLIT']);
  const rod = client.flags.json<any>('rod', null);
  same('an object', rod, { name: 'Пила "🐟"\n', speeds: [1, 2.5] });
  check(client.flags.json('rod', null) === rod && Object.isFrozen(rod.speeds), 'it is parsed once, and frozen');
  same('numbers', [client.flags.int('depth', 3), client.flags.float('depth', 3), client.flags.bool('depth', true)], [12, 12, true]);
  await online(client);
  same('tokens asked for', asked, 1);
  check(Math.abs(client.serverTime - Date.now()) < 60_000, "the server's time");

  client.track('level_completed', { level: 3 });
  same('no offer elsewhere', await client.offers.ready('shop_opened', { leaseMs: 1000 }), null);
  const offer = await client.offers.ready('level_completed', { context: { level: 3 }, leaseMs: 60_000 });
  check(offer !== null, 'there is an offer at level_completed');
  same('the offer', [offer.title, offer.discount, offer.placement, offer.data], ['Starter pack', 60, 'level_completed', { coins: 100 }]);
  check(offer.expiresAt - client.serverTime > 3_500_000, 'it lasts an hour');
  client.offers.result(offer.offerId, 'shown');
  client.offers.result(offer.offerId, 'accepted');
  same('it comes once', await client.offers.ready('level_completed', { leaseMs: 1000 }), null);

  same('a request that the server does not know', await rejects('it', client.request('game', 'no_such_thing', {})), 'UNKNOWN_MESSAGE_TYPE');

  const rest = client.events();
  const [waiting, reply] = [client.offers.ready('level_completed'), client.request('game', 'no_such_thing', {})];
  const refused = rejects('a request at the end', reply);
  await client.close();
  same('the state', client.state, 'closed');
  same('a break at the end', await waiting, null);
  check(['CLOSED', 'UNKNOWN_MESSAGE_TYPE', 'NOT_SENT'].includes(await refused), 'a request at the end is answered');
  same('a break after the end', await client.offers.ready('level_completed'), null);
  same('a flag after the end: its last value', client.flags.string('starter_pack_price', '$2.99'), '$1.99');
  const last = [];
  for await (const event of rest) last.push(event.kind);
  same('the last word', last[last.length - 1], 'stateChanged');
});

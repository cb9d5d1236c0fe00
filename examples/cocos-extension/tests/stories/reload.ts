// A script that is taken away in the middle of everything: a break is open, a request is under way, a loop waits. `reload-after` goes on.
import { connectCocos } from '../../assets/castline';
import { host, next, online, putFlag, same, story } from './host';

story(async () => {
  putFlag('starter_pack_price', '$1.99', '$2.99');
  const client = await connectCocos({ url: host.url(), build: '2.0.0', token: async () => host.token('dora') });
  await next(client, 'flagsChanged');
  await online(client);
  same('the price', client.flags.string('starter_pack_price', '$2.99'), '$1.99');
  // None of these comes to an end here.
  void client.offers.ready('level_completed', { leaseMs: 60_000 }).then(() => host.fail('a break of a script that is gone was answered'));
  void client.request('game', 'no_such_thing', {}).then(() => host.fail('it succeeded'), () => undefined);
  void (async () => { for await (const event of client.events()) void event; })();
  client.on('stateChanged', () => undefined);
  // Another client that is just closing.
  const closing = await connectCocos({ url: host.url(), build: '2.0.0', storage: 'memory', token: async () => host.token('emma') });
  void closing.close();
  host.remember(`${client.serverTime}`);
});

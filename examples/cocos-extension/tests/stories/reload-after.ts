// The script that starts after a reload: it asks for the same client and gets it, connected as it was, and answers find who asked.
import { connectCocos } from '../../assets/castline';
import { check, host, putOffer, same, story } from './host';

story(async () => {
  check(Number(host.memory()) > 0, 'the first script has run');
  let asked = 0;
  const client = await connectCocos({
    url: host.url(), build: '2.0.0', token: async () => { asked += 1; return host.token('dora'); },
  });
  // A new client would be connecting, without flags until it has asked, and it could not use the same directory.
  same('the state', client.state, 'online');
  same('the price', client.flags.string('starter_pack_price', '$2.99'), '$1.99');
  putOffer('starter', { placements: ['level_completed'] });
  const offer = await client.offers.ready('level_completed', { leaseMs: 60_000 });
  same("the offer of this script's break", offer?.title, 'Starter pack');
  client.offers.result(offer!.offerId, 'shown');
  same('tokens asked for', asked, 0);
  same('no other offer', await client.offers.ready('level_completed', { leaseMs: 1000 }), null);
  // Left as it is: the machine goes with this in the air.
  void client.offers.ready('level_completed', { leaseMs: 60_000 });
});

// Compiled, never run: what the declarations promise. Each `@ts-expect-error` is a mistake that the compiler must find.

import { CastlineError, connect, init, version, type CastlineEvent, type Client, type EventOf, type Offer } from 'castline';
import { connectTelegram, payOffer, qaOverride } from 'castline/telegram';
import { connectCocos } from 'castline/cocos';

export async function game(): Promise<void> {
  await init();
  await init({ wasm: fetch('/castline_bg.wasm') });
  const client: Client = await connect({ url: 'https://live.example.com', build: '2.0.0', token: async () => 'a.b.c', storage: localStorage });
  const off: () => void = client.on('betSettled', ({ payout, outcome }) => `${payout + 1} ${outcome satisfies 'win' | 'lose' | 'void'}`);
  off();
  const price: string = client.flags.string('price', '$2.99');
  const boat: { speed: number } = client.flags.json('boat', { speed: 1 });
  const offer: Offer | null = await client.offers.ready('level_completed', { context: { level: 3 }, leaseMs: 3_000 });
  if (offer) client.offers.result(offer.offerId, 'shown');
  const reply = await client.request<{ gold: number }>('game', 'gold', {});
  const gold: number = reply.gold;
  for await (const event of client.events()) narrow(event);
  await connectTelegram({ url: 'https://live.example.com', build: '2.0.0' });
  await connectCocos({ url: 'https://live.example.com', build: '2.0.0', token: 'a.b.c' });
  const status: 'paid' | 'cancelled' | 'failed' | 'pending' = await payOffer(client, 'o', 'https://t.me/invoice');
  void [price, boat, gold, version.length, qaOverride()?.length, status, new CastlineError('CLOSED', 'x').retryAfterMs];

  // @ts-expect-error the build is required
  await connect({ url: 'https://live.example.com', token: 'a.b.c' });
  // @ts-expect-error no option is a boolean
  await connect({ url: 'https://live.example.com', build: '1', token: 'a.b.c', lifecycle: true });
  // @ts-expect-error there is no such option
  await connect({ url: 'https://live.example.com', build: '1', token: 'a.b.c', retries: 3 });
  // @ts-expect-error the player is Telegram's
  await connectTelegram({ url: 'https://live.example.com', build: '2.0.0', token: 'a.b.c' });
  // @ts-expect-error there is no such event
  client.on('offerReady', () => undefined);
  // @ts-expect-error the default is of the flag's type
  client.flags.int('lives', '3');
  // @ts-expect-error the context is flat
  await client.offers.ready('level_completed', { context: { deep: { er: 1 } } });
  // @ts-expect-error a word that is no outcome
  client.offers.result('o', 'bought');
  // @ts-expect-error the channel is the SDK's
  client.send('system', 'x', {});
  // @ts-expect-error an offer may be null
  (await client.offers.ready('level_completed')).title;
  // @ts-expect-error the state is read alone
  client.state = 'online';
}

function narrow(event: CastlineEvent): string | number {
  switch (event.kind) {
    case 'stateChanged':
      return event.retryInMs + (event.cause === 'build-too-old' ? 1 : 0);
    case 'roomChanged':
      // @ts-expect-error another kind's member
      return event.payload;
    case 'dropped':
      return event.count;
    default:
      return event.kind;
  }
}

export const onChange = (event: EventOf<'flagsChanged'>): string => event.version;

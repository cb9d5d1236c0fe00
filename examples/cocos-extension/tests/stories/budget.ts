// Events take no more of a frame than they may: with a listener slower than the budget one event comes a frame, with a large budget many.
import { connectCocos } from '../../assets/castline';
import { check, host, same, story } from './host';

const BREAKS = 12;

/** The most events in a frame. Each `ready` ends the one before it: so many answers, without any network. */
async function most(tickBudgetMs: number, spin: number): Promise<number> {
  const client = await connectCocos({ url: 'http://127.0.0.1:9', build: '2.0.0', token: 'a.b.c', storage: 'memory', tickBudgetMs, log: () => undefined });
  const frames = new Map<string, number>();
  const answers = [];
  for (let i = 0; i < BREAKS; ++i) {
    answers.push(client.offers.ready('level_completed', { leaseMs: 60_000 }).then((offer) => {
      same('an offer', offer, null);
      frames.set(host.frame(), (frames.get(host.frame()) ?? 0) + 1);
      host.spin(spin);
    }));
  }
  client.offers.notReady();
  // Long enough for the library's thread to have put all of them there.
  host.spin(200);
  await Promise.all(answers);
  await client.close();
  return Math.max(...Array.from(frames.values()));
}

story(async () => {
  same('events a frame, each longer than the budget', await most(2, 3), 1);
  // The same with time to spare, so that the one above is the budget's doing; a slow machine may need another go.
  let together = 0;
  for (let i = 0; i < 20 && together < 2; ++i) together = await most(1000, 0);
  check(together >= 2, 'with a large budget several events come in a frame');
});

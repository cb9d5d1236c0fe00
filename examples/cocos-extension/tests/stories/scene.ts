// The component and the sample, in two scenes: the pop-up comes at the right moment, the price follows its flag, the client goes on.
import { EventHandler, Label, Node } from 'cc';
import { CastlineComponent } from '../../assets/castline';
import { FishingGame } from '../../assets/sample/FishingGame';
import { check, host, online, putFlag, putOffer, same, story } from './host';

function scene() {
  const [canvas, popUp] = [new Node('canvas'), new Node('pop-up')];
  const castline = canvas.addComponent(CastlineComponent);
  const game = canvas.addComponent(FishingGame);
  const seen: string[] = [];
  class Watcher { offer(offer: { title: string }) { seen.push(offer.title); } flags() { seen.push('flags'); } }
  (canvas as any).addComponent(Watcher);
  const handler = (name: string) => Object.assign(new EventHandler(), { target: canvas, component: 'Watcher', handler: name });
  Object.assign(castline, { url: host.url(), build: '2.0.0', offerHandlers: [handler('offer')], flagsHandlers: [handler('flags')] });
  Object.assign(game, { castline, popUp, priceLabel: new Label(), popUpTitle: new Label() });
  return { canvas, popUp, castline, game, seen };
}

async function launched({ canvas, castline }: ReturnType<typeof scene>) {
  (Node as any).launch([canvas]);
  for (let i = 0; i < 20 && !castline.client; ++i) await null;
  check(castline.client !== null, 'the component connects in start');
  return castline.client;
}

story(async () => {
  putFlag('starter_pack_price', '$1.99', '$2.99');
  putOffer('starter', { placements: ['level_completed'] });

  const first = scene();
  const client = await launched(first);
  first.game.update();
  same('the price at once', first.game.priceLabel!.string, '$2.99');
  await online(client);
  await new Promise<void>((resolve) => {
    const remove = client.on('flagsChanged', () => { remove(); resolve(); });
    if (client.flags.string('starter_pack_price', '') !== '') { remove(); resolve(); }
  });
  first.game.update();
  same('the price when the flag is there', first.game.priceLabel!.string, '$1.99');

  check(!first.popUp.active, 'no pop-up before the level is completed');
  await first.game.levelCompleted();
  check(first.popUp.active, 'the pop-up');
  same('its title', first.game.popUpTitle!.string, 'Starter pack: 60 % off');
  first.game.accept();
  same('the level after it', [first.game.level, first.popUp.active], [2, false]);
  check(first.seen.includes('flags') && first.seen.includes('Starter pack'), 'the handlers of the editor were called');

  // The next scene: another component, the same client, still connected.
  (first.canvas as any).destroy();
  same("the first scene's client", first.castline.client, null);
  const second = scene();
  check(await launched(second) === client, 'the next scene goes on with the same client');
  same('its state', client.state, 'online');
  await second.game.levelCompleted();
  same('no second offer: on to the next level', [second.game.level, second.popUp.active], [2, false]);
  const seen = first.seen.length;
  putFlag('starter_pack_price', '$0.99', '$2.99');
  await new Promise<void>((resolve) => { client.on('flagsChanged', () => resolve()); });
  same('the scene that is gone hears nothing', first.seen.length, seen);
  second.game.update();
  same('the new price', second.game.priceLabel!.string, '$0.99');
});

// The engine goes to the background, long enough for the socket to be closed, and comes back.
import { connectCocos } from '../../assets/castline';
import { host, next, online, same, story } from './host';

story(async () => {
  const token = async () => host.token('berta');
  const client = await connectCocos({ url: host.url(), build: '2.0.0', token });
  const manual = await connectCocos({ url: host.url(), build: '2.0.0', token: async () => host.token('carla'), lifecycle: 'manual', storage: 'memory' });
  await online(client);
  await online(manual);
  host.background();
  host.background();
  const { cause } = await next(client, 'stateChanged', ({ state }) => state === 'dormant');
  same('why', cause, 'background');
  same('one that is told by the game', manual.state, 'online');
  host.foreground();
  await online(client);
  manual.lifecycle('network-changed');
  same('it is still there', manual.state, 'online');
  await Promise.all([client.close(), manual.close()]);
});

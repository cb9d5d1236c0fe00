import { Centrifuge } from 'centrifuge';

export async function open({ url, token }, take) {
  const client = new Centrifuge(`${url.replace(/^http/, 'ws')}/connection/websocket`, { token });
  const subscription = client.newSubscription('game');
  subscription.on('publication', ({ data }) => take(data));
  const online = new Promise((resolve) => client.on('connected', () => resolve()));
  subscription.subscribe();
  client.connect();
  return { online, send: (payload) => void client.send(payload), close: () => client.disconnect() };
}

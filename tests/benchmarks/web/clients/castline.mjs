// What a game writes to connect with Castline, and no more. The three files of this folder have the same form.

import { connect } from 'castline';

export async function open({ url, token }, take) {
  const client = await connect({ url, build: '1.0.0', token });
  client.on('message', ({ payload }) => take(payload));
  return {
    client,
    online: new Promise((resolve) => client.on('stateChanged', ({ state }) => state === 'online' && resolve())),
    send: (payload) => client.send('game', 'move', payload),
    close: () => client.close(),
  };
}

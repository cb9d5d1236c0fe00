// The other ends, all three behind the same `ws` in this one process, so that a push costs the same.
//
// Castline's is the real server, with a relay before it: what the client and the server say to each other passes through, and the relay puts the
// pushed messages in between (the server has no message that it would push by the hundred). The two others speak as much of their
// protocol as the client needs to be connected.

import { createServer, request } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { WebSocket, WebSocketServer } from 'ws';

/** What a game's server says often: the payload of the benchmarks' typical message. */
export const PAYLOAD = {
  fish: 'golden_koi',
  weight: 12.75,
  level: 14,
  combo: 3,
  coins: 1250,
  rod: { id: 'rod_17', power: 88 },
  position: [104.25, 33.5],
  rare: true,
  note: 'a calm morning by the lake, with little wind',
};

/** `accept(socket, hear)` speaks with one client; `wrap(payload)` is a pushed message as text. */
async function listen({ accept, wrap, http = (_, response) => response.writeHead(404).end(), protocols }) {
  const server = createServer(http);
  const sockets = new WebSocketServer({ server, handleProtocols: protocols, perMessageDeflate: false });
  const seen = { in: 0, out: 0 };
  sockets.on('connection', (socket) => {
    socket.on('message', () => seen.in++);
    const send = socket.send.bind(socket);
    socket.send = (text) => {
      seen.out++;
      send(text);
    };
    accept(socket);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Messages that went over its sockets so far. */
    messages: () => seen.in + seen.out,
    /** To everybody who is connected, one by one: so many milliseconds apart, or all at once. */
    async push(count, apart) {
      const text = wrap(PAYLOAD);
      for (let left = count; left > 0; left--) {
        for (const socket of sockets.clients) if (socket.readyState === 1) socket.send(text);
        if (apart) await wait(apart);
      }
    },
    stop: () => {
      for (const socket of sockets.clients) socket.terminate();
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Before the real server at `to`. What the measurement of outgoing messages sends ends here: the server allows 30 a second. */
export function castline(to) {
  return listen({
    wrap: (payload) => JSON.stringify({ channel: 'game', type: 'state', payload, timestamp: Date.now() }),
    protocols: () => 'castline.v1',
    accept(near) {
      const far = new WebSocket(`${to.replace(/^http/, 'ws')}/ws`, 'castline.v1');
      const early = [];
      near.on('message', (data) => {
        const text = `${data}`;
        if (text.includes('"type":"move"')) return;
        if (far.readyState === 1) far.send(text);
        else early.push(text);
      });
      far.on('open', () => early.forEach((text) => far.send(text)));
      far.on('message', (data) => near.send(`${data}`));
      far.on('error', () => near.terminate());
      far.on('close', (code) => near.close(code >= 3000 ? code : 1000));
      near.on('close', () => far.terminate());
    },
    http(asked, response) {
      const { method, url, headers } = asked;
      const onward = request(to + url, { method, headers }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
      onward.on('error', () => response.destroy());
      asked.pipe(onward);
    },
  });
}

/** Centrifugo's JSON protocol: connect, subscribe, publications, a ping every 25 s as Centrifugo sends it. */
export function centrifuge() {
  return listen({
    wrap: (data) => JSON.stringify({ push: { channel: 'game', pub: { data } } }),
    accept(socket) {
      const ping = setInterval(() => socket.send('{}'), 25_000);
      socket.on('close', () => clearInterval(ping));
      socket.on('message', (data) => {
        for (const line of `${data}`.split('\n')) {
          const { id, connect, subscribe } = JSON.parse(line);
          if (connect) socket.send(JSON.stringify({ id, connect: { client: 'c1', version: '6', ping: 25, pong: true } }));
          else if (subscribe) socket.send(JSON.stringify({ id, subscribe: {} }));
        }
      });
    },
  });
}

/** No protocol at all. */
export function plain() {
  return listen({ wrap: (payload) => JSON.stringify(payload), accept() {} });
}

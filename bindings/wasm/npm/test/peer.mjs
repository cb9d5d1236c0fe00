// A server that a test has in its hands: it says what the protocol says of a server, lives in the test's time, and notes what it hears.

import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { within } from './patience.mjs';

/** As the real one's. */
const HEARTBEAT_MS = 30_000;
const DEAD_AFTER_MS = 45_000;

export class Peer {
  static async start() {
    const peer = new Peer();
    await new Promise((resolve) => peer.http.listen(0, '127.0.0.1', resolve));
    peer.url = `http://127.0.0.1:${peer.http.address().port}`;
    return peer;
  }

  constructor() {
    this.now = 0;
    this.sockets = [];
    /** Analytics events by their ids, by socket or HTTP: said twice they count once. */
    this.known = new Map();
    /** What came by HTTP: `{method, path, headers, body}`. */
    this.requests = [];
    // A request that a page gave up half way is nobody's mistake.
    this.http = createServer((request, response) => this.answer(request, response).catch(() => response.destroy()));
    new WebSocketServer({ server: this.http }).on('connection', (ws) => this.meet(ws));
  }

  meet(ws) {
    const socket = { ws, open: true, code: undefined, heard: this.now, types: [], offers: 0, sent: 0, received: 0, closed: undefined };
    const ended = new Promise((resolve) =>
      ws.on('close', (code) => {
        Object.assign(socket, { open: false, code });
        resolve(code);
      }),
    );
    // Patience begins when somebody waits.
    Object.defineProperty(socket, 'closed', { get: () => within('a socket to be closed', ended, () => socket.types) });
    this.sockets.push(socket);
    ws.on('error', () => {});
    ws.on('message', (data) => {
      socket.received++;
      socket.heard = this.now;
      const { channel, type, payload, id } = JSON.parse(data);
      socket.types.push(type);
      const reply = (kind, body) => this.say(socket, channel, kind, body, { re: id });
      if (type === 'authenticate') {
        const numbers = { heartbeatMs: HEARTBEAT_MS, deadAfterMs: DEAD_AFTER_MS, idleTimeoutMs: 300_000, maxMessageBytes: 16_384 };
        this.say(socket, 'system', 'connected', { connectionId: 'c', serverTime: Date.now(), ...numbers });
        this.say(socket, 'system', 'authenticated', { userId: 'p', sessionId: 's', resumed: payload.resume !== undefined, flagsVersion: '' });
      } else if (type === 'ping') reply('pong', { serverTime: Date.now() });
      else if (type === 'events') {
        reply('accepted', this.take(payload));
      } else if (type === 'ready_for_offer') {
        // The offers of a session that is carried on are numbered on.
        const seq = ++socket.offers;
        reply('lease', { pending: 1 });
        this.say(socket, 'offers', 'new_offer', { offerId: `o${seq}`, expiresAt: Date.now() + 60_000, expiresIn: 60_000 }, { seq });
      }
    });
  }

  take({ events }) {
    const before = this.known.size;
    for (const { eventId, name } of events) this.known.set(eventId, name);
    const count = this.known.size - before;
    return { count, duplicates: events.length - count, rejected: [] };
  }

  get events() {
    return [...this.known.values()];
  }

  say(socket, channel, type, payload, more = {}) {
    socket.sent++;
    socket.ws.send(JSON.stringify({ channel, type, payload, timestamp: Date.now(), ...more }));
  }

  /** Flags that never change, and the way for a page's last words. */
  async answer(request, response) {
    let body = '';
    for await (const part of request) body += part;
    this.requests.push({ method: request.method, path: request.url, headers: request.headers, body });
    const headers = { 'access-control-allow-origin': '*', 'access-control-allow-headers': 'authorization, content-type' };
    if (request.url === '/events' && request.method === 'POST') {
      return response.writeHead(200, headers).end(JSON.stringify(this.take(JSON.parse(body))));
    }
    if (request.url === '/auth/telegram' && request.method === 'POST') {
      return response.writeHead(200, headers).end(JSON.stringify({ token: 'a.b.c', expiresAt: 0 }));
    }
    response.writeHead(request.method === 'OPTIONS' ? 204 : 404, headers).end();
  }

  /** Time goes by here, too: a silent client is asked by a frame of the socket's own, and given up if it stays silent. */
  async advance(ms) {
    this.now += ms;
    for (const socket of this.sockets.filter(({ open }) => open)) {
      const silence = this.now - socket.heard;
      if (silence >= DEAD_AFTER_MS) {
        socket.ws.terminate();
        await socket.closed;
      } else if (silence >= 1.25 * HEARTBEAT_MS) {
        // The browser answers it without the page.
        const answer = new Promise((resolve) => {
          socket.ws.once('pong', resolve).once('close', resolve);
          socket.ws.ping();
        });
        await within('the browser to answer a ping', answer);
        if (socket.open) socket.heard = this.now;
      }
    }
  }

  /** What it noted. */
  forget() {
    this.sockets = this.sockets.filter(({ open }) => open);
    this.known.clear();
    this.requests.length = 0;
  }

  stop() {
    for (const { ws } of this.sockets) ws.terminate();
    return new Promise((resolve) => (this.http.close(resolve), this.http.closeAllConnections()));
  }
}

// The driver's hands: socket, HTTP, timer, storage. It does what the core says, reports what happened, and decides nothing.
//
// What the module tells (`hear`) must not lead back into the module, and so no code of the game runs in there: the game's provider, log
// hook and listeners are called later, from the event loop.

import { enter, type Hearer, type Text } from './crossing.js';
import { CastlineError, refusal } from './error.js';
import { told, type Told } from './events.js';
import { Call, Tell } from './numbers.js';
import type { Store } from './storage.js';
import type { LogLevel } from './types.js';

/** Bytes that may wait for a peer that reads slowly: all open requests at their largest, twice. */
const MAX_QUEUED = 2 << 20;
/** The largest message from the server. */
const MAX_MESSAGE = 16_384;
/** The largest HTTP answer. */
const MAX_BODY = 65_536;
/** What `setTimeout` can hold. */
const MAX_TIMEOUT = 0x7fff_ffff;
/** Log lines that may wait for the game's hook. */
const MAX_LINES = 256;

const LEVELS: readonly LogLevel[] = ['error', 'error', 'warn', 'info', 'debug'];

export interface Game {
  /** An event, an answer, or undefined: the module is out of order and says no more. */
  take(told: Told | undefined): void;
  /** What the getters give has changed. */
  flagsChanged(): void;
  log(level: LogLevel, line: string): void;
  token(): Promise<string> | string;
}

/** How many clients there were, which is the last one's number. */
let clients = 0;

export class Driver implements Hearer {
  readonly #game: Game;
  readonly #store: Store;
  readonly #client = ++clients;
  #alive = false;
  #ws: WebSocket | undefined;
  #wsId = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #scheduled = true;
  #handed: Told | undefined;
  /** What the call that runs was given back. */
  #given: string[] | undefined;
  #refused: CastlineError | undefined;
  #lines: [LogLevel, string][] = [];
  #lost = 0;
  #closed = false;
  /** The page goes away: what is sent now must outlive it. */
  #leaving = false;
  readonly #fetches = new Set<Promise<void>>();

  constructor(game: Game, store: Store) {
    this.#game = game;
    this.#store = store;
  }

  /** The game may register its listeners first: it has until the next turn of the event loop. */
  start(texts: Text[]): void {
    const [high, low] = crypto.getRandomValues(new Uint32Array(2)) as unknown as [number, number];
    this.#refused = undefined;
    enter(this, this.#client, Call.start, texts, high, low);
    if (this.#refused) throw this.#refused;
    this.#alive = true;
    setTimeout(() => this.#pump());
  }

  /** A call into the module. A trap is a defect of the SDK: the client is out of service, the game plays on. */
  call(what: Call, texts: Text[] = [], a = 0, b = 0): number | undefined {
    if (!this.#alive) return undefined;
    try {
      return enter(this, this.#client, what, texts, a, b);
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      // Its memory is in an unknown state: it is not called again, not even to be freed.
      this.#alive = false;
      this.#letGo();
      this.#game.log('error', `internal error; the client is out of service: ${error.stack ?? error}`);
      this.#game.take(undefined);
      return undefined;
    }
  }

  /** One that gives texts back. */
  ask(what: Call, texts: Text[], a?: number): string[] | undefined {
    this.#given = undefined;
    this.call(what, texts, a);
    return this.#given;
  }

  /** One that may be refused. */
  command(what: Call, texts: Text[], a?: number, b?: number): void {
    this.#refused = undefined;
    this.call(what, texts, a, b);
    if (this.#refused) throw this.#refused;
  }

  /** Hands events over until none is left. */
  #pump(): void {
    this.#scheduled = false;
    this.#printLines();
    while (this.call(Call.hand)) {
      const handed = this.#handed;
      this.#handed = undefined;
      if (handed) this.#game.take(handed);
    }
    this.#printLines();
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#pump());
  }

  #printLines(): void {
    for (const [level, line] of this.#lines.splice(0)) this.#game.log(level, line);
    const count = this.#lost;
    this.#lost = 0;
    if (count) this.#game.take({ kind: 'event', event: { kind: 'dropped', what: 'logs', count } });
  }

  /** The page is about to go, perhaps for good: no grace. What the socket may not deliver any more goes as a last request. */
  leave(): void {
    this.#leaving = true;
    this.call(Call.lifecycle, [], 2);
    const id = this.#wsId;
    if (this.#ws) {
      this.#shut(id, 1000);
      this.call(Call.shut, [], id, 1001);
    }
  }

  /** It came back. */
  stay(): void {
    this.#leaving = false;
  }

  /** Ends: every open answer is given in here, and after it nothing comes. Resolves when the last words are said. */
  async close(maxWait: number): Promise<void> {
    if (this.#closed) return;
    this.#leaving = true;
    this.call(Call.close);
    this.#closed = true;
    this.#pump();
    clearTimeout(this.#timer);
    const said = Promise.allSettled(this.#fetches);
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([said, new Promise((late) => (timer = setTimeout(late, maxWait)))]);
    clearTimeout(timer);
    this.call(Call.free);
    this.#alive = false;
    this.#letGo();
  }

  #letGo(): void {
    clearTimeout(this.#timer);
    if (this.#ws) this.#shut(this.#wsId, 1000);
    this.#store.release();
  }

  // ---- what the module tells ----

  hear(what: number, texts: string[], numbers: number[]): string | boolean | undefined | void {
    const [first = '', second = '', body = '', ...headers] = texts;
    const [id = 0, number = 0] = numbers;
    switch (what) {
      case Tell.open:
        return this.#open(id, first);
      case Tell.send:
        return this.#send(id, first);
      case Tell.shut:
        return this.#shut(id, number);
      case Tell.fetch: {
        const request = this.#request(id, number, first, second, body, headers);
        this.#fetches.add(request);
        return void request.finally(() => this.#fetches.delete(request));
      }
      case Tell.ask:
        return this.#token(id);
      case Tell.load:
        return this.#store.load(first);
      case Tell.save:
        return this.#store.save(first, second);
      case Tell.wake:
        return this.#wake(id);
      case Tell.log:
        if (this.#lines.length < MAX_LINES) this.#lines.push([LEVELS[id] ?? 'debug', first]);
        else this.#lost++;
        return this.#schedule();
      case Tell.flags:
        return this.#game.flagsChanged();
      case Tell.give:
        this.#given = texts;
        return;
      case Tell.refuse:
        this.#refused = refusal(texts);
        return;
      case Tell.waits:
        return this.#schedule();
      default:
        this.#handed = told(what - Tell.event, texts, numbers);
    }
  }

  #open(id: number, url: string): void {
    if (this.#ws) this.#shut(this.#wsId, 1000);
    let ws: WebSocket;
    try {
      ws = new WebSocket(url, 'castline.v1');
    } catch (error) {
      // Forbidden by the page's policy, or there is none here.
      this.#lines.push(['error', `no WebSocket to ${url}: ${error}`]);
      queueMicrotask(() => this.call(Call.shut, [], id, 1006));
      return;
    }
    this.#ws = ws;
    this.#wsId = id;
    ws.binaryType = 'arraybuffer';
    ws.onopen = () => this.call(Call.opened, [], id);
    ws.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (typeof data !== 'string') this.#breach(id, 1003);
      else if (data.length > MAX_MESSAGE) this.#breach(id, 1009);
      else this.call(Call.text, [data], id);
    };
    ws.onclose = ({ code }) => {
      this.#forget(ws);
      this.call(Call.shut, [], id, code);
    };
    // A close always follows. A WebSocket for Node.js wants its errors to be heard, even those of one that was given up.
    ws.onerror = () => undefined;
  }

  #send(id: number, text: string): void {
    if (!this.#ws || this.#wsId !== id || this.#ws.readyState !== 1) return;
    this.#ws.send(text);
    if (this.#ws.bufferedAmount > MAX_QUEUED) queueMicrotask(() => this.#breach(id, 1006));
  }

  #shut(id: number, code: number): void {
    const ws = this.#ws;
    if (!ws || this.#wsId !== id) return;
    this.#forget(ws);
    // Others a page may not send.
    ws.close(code >= 3000 ? code : 1000);
  }

  /** The server broke the rules: the socket ends with the code that says so. */
  #breach(id: number, code: number): void {
    if (!this.#ws || this.#wsId !== id) return;
    this.#shut(id, 1000);
    this.call(Call.shut, [], id, code);
  }

  /** Nothing more is reported of it. */
  #forget(ws: WebSocket): void {
    ws.onopen = ws.onmessage = ws.onclose = null;
    if (this.#ws === ws) this.#ws = undefined;
  }

  async #request(
    id: number,
    timeout: number,
    method: string,
    url: string,
    body: string,
    lines: string[],
  ): Promise<void> {
    const abort = new AbortController();
    let why = 0;
    const timer = setTimeout(() => {
      why = 1;
      abort.abort();
    }, timeout);
    try {
      const headers: Record<string, string> = {};
      for (let i = 0; i < lines.length; i += 2) headers[lines[i] as string] = lines[i + 1] as string;
      // The browser's cache makes conditional requests itself.
      delete headers['if-none-match'];
      const bearer = headers['authorization']?.replace(/^Bearer /, '');
      if (this.#leaving && bearer && url.endsWith('/events')) {
        // A page that goes away can't wait for a preflight; without that header and type there is none.
        delete headers['authorization'];
        headers['content-type'] = 'text/plain';
        body = `{"token":${JSON.stringify(bearer)},${body.slice(1)}`;
      }
      const response = await fetch(url, {
        method,
        headers,
        body: method === 'GET' ? undefined : body,
        cache: 'no-cache',
        credentials: 'omit',
        redirect: 'error',
        keepalive: this.#leaving,
        signal: abort.signal,
      });
      const bytes = await bounded(response);
      if (!bytes) why = 2;
      else {
        const header = (name: string): Text => response.headers.get(name) || undefined;
        clearTimeout(timer);
        this.call(Call.answered, [bytes, header('etag'), header('retry-after')], id, response.status);
        return;
      }
    } catch {
      // `why` says it. Never within the call that asked for it.
      await undefined;
    }
    clearTimeout(timer);
    abort.abort();
    this.call(Call.unanswered, [], id, why);
  }

  #token(ticket: number): void {
    const answer = (token: string | undefined): void => {
      this.call(Call.token, [token], ticket);
    };
    Promise.resolve()
      .then(() => this.#game.token())
      .then(
        (token) => {
          if (typeof token === 'string') return answer(token);
          this.#game.log('error', 'the token provider gave no string');
          answer(undefined);
        },
        (error: unknown) => {
          this.#game.log('warn', `the token provider failed: ${error}`);
          answer(undefined);
        },
      );
  }

  #wake(at: number): void {
    clearTimeout(this.#timer);
    if (at === Infinity || this.#closed) return;
    const wait = Math.min(Math.max(0, Math.ceil(at - performance.now())), MAX_TIMEOUT);
    this.#timer = setTimeout(() => this.call(Call.woken), wait);
  }
}

/** A body of at most 64 KiB; `undefined`: it is longer, and the rest is not fetched. */
async function bounded(response: Response): Promise<Uint8Array | undefined> {
  const reader = response.body?.getReader();
  if (!reader) return new Uint8Array();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > MAX_BODY) return undefined;
    parts.push(value);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

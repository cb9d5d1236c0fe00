// The driver's hands: socket, HTTP, timer, storage. It does what the core says, reports what happened, and decides nothing.
//
// Its public methods are what the module calls (`bindings/wasm/src/host.rs`); none of them may call back into the module, and so no
// code of the game runs in one: the game's provider, log hook and listeners are called later, from the event loop.

import type { Engine } from '../generated/castline_bg.js';
import { told, type Told } from './events.js';
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

export class Driver {
  private engine: Engine | undefined;
  private ws: WebSocket | undefined;
  private wsId = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private scheduled = false;
  private handed: Told | undefined;
  private lines: [LogLevel, string][] = [];
  private lost = 0;
  private closed = false;
  /** The page goes away: what is sent now must outlive it. */
  private leaving = false;
  private readonly fetches = new Set<Promise<void>>();

  constructor(
    private readonly game: Game,
    private readonly store: Store,
  ) {}

  /** The game may register its listeners first: it has until the next turn of the event loop. */
  start(make: (host: Driver) => Engine): void {
    this.engine = make(this);
    this.scheduled = true;
    setTimeout(() => this.pump());
  }

  /** A call into the module. A trap is a defect of the SDK: the client is out of service, the game plays on. */
  call<T>(what: (engine: Engine) => T): T | undefined {
    const engine = this.engine;
    if (!engine) return undefined;
    try {
      const result = what(engine);
      if (engine.waits() || this.lines.length) this.schedule();
      return result;
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      // Its memory is in an unknown state: it is not called again, not even to be freed.
      this.engine = undefined;
      this.letGo();
      this.game.log('error', `internal error; the client is out of service: ${error.stack ?? error}`);
      this.game.take(undefined);
      return undefined;
    }
  }

  /** Hands events over until none is left. */
  pump(): void {
    this.scheduled = false;
    this.printLines();
    while (this.call((engine) => engine.hand())) {
      const { handed } = this;
      this.handed = undefined;
      if (handed) this.game.take(handed);
    }
    this.printLines();
  }

  private schedule(): void {
    if (this.scheduled || this.closed) return;
    this.scheduled = true;
    queueMicrotask(() => this.pump());
  }

  private printLines(): void {
    for (const [level, line] of this.lines.splice(0)) this.game.log(level, line);
    const count = this.lost;
    this.lost = 0;
    if (count) this.game.take({ kind: 'event', event: { kind: 'dropped', what: 'logs', count } });
  }

  /** The page is about to go, perhaps for good: no grace. What the socket may not deliver any more goes as a last request. */
  leave(): void {
    this.leaving = true;
    this.call((engine) => engine.lifecycle(2));
    const id = this.wsId;
    if (this.ws) {
      this.shut(id, 1000);
      this.call((engine) => engine.shut(id, 1001));
    }
  }

  /** It came back. */
  stay(): void {
    this.leaving = false;
  }

  /** Ends: every open answer is given in here, and after it nothing comes. Resolves when the last words are said. */
  async close(maxWait: number): Promise<void> {
    if (this.closed) return;
    this.leaving = true;
    this.call((engine) => engine.close());
    this.closed = true;
    this.pump();
    clearTimeout(this.timer);
    const said = Promise.allSettled(this.fetches);
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([said, new Promise((late) => (timer = setTimeout(late, maxWait)))]);
    clearTimeout(timer);
    const { engine } = this;
    this.engine = undefined;
    engine?.free();
    this.letGo();
  }

  private letGo(): void {
    clearTimeout(this.timer);
    if (this.ws) this.shut(this.wsId, 1000);
    this.store.release();
  }

  // ---- what the module calls ----

  open(id: number, url: string): void {
    if (this.ws) this.shut(this.wsId, 1000);
    let ws: WebSocket;
    try {
      ws = new WebSocket(url, 'castline.v1');
    } catch (error) {
      // Forbidden by the page's policy, or there is none here.
      this.lines.push(['error', `no WebSocket to ${url}: ${error}`]);
      queueMicrotask(() => this.call((engine) => engine.shut(id, 1006)));
      return;
    }
    this.ws = ws;
    this.wsId = id;
    ws.binaryType = 'arraybuffer';
    ws.onopen = () => this.call((engine) => engine.opened(id));
    ws.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (typeof data !== 'string') this.breach(id, 1003);
      else if (data.length > MAX_MESSAGE) this.breach(id, 1009);
      else this.call((engine) => engine.text(id, data));
    };
    ws.onclose = ({ code }) => {
      this.forget(ws);
      this.call((engine) => engine.shut(id, code));
    };
    // A close always follows. A WebSocket for Node.js wants its errors to be heard, even those of one that was given up.
    ws.onerror = () => undefined;
  }

  send(id: number, text: string): void {
    if (!this.ws || this.wsId !== id || this.ws.readyState !== 1) return;
    this.ws.send(text);
    if (this.ws.bufferedAmount > MAX_QUEUED) queueMicrotask(() => this.breach(id, 1006));
  }

  shut(id: number, code: number): void {
    const ws = this.ws;
    if (!ws || this.wsId !== id) return;
    this.forget(ws);
    // Others a page may not send.
    ws.close(code >= 3000 ? code : 1000);
  }

  /** The server broke the rules: the socket ends with the code that says so. */
  private breach(id: number, code: number): void {
    if (!this.ws || this.wsId !== id) return;
    this.shut(id, 1000);
    this.call((engine) => engine.shut(id, code));
  }

  /** Nothing more is reported of it. */
  private forget(ws: WebSocket): void {
    ws.onopen = ws.onmessage = ws.onclose = null;
    if (this.ws === ws) this.ws = undefined;
  }

  fetch(id: number, method: string, url: string, lines: string, body: string, timeout: number): void {
    const request = this.request(id, method, url, lines, body, timeout);
    this.fetches.add(request);
    void request.finally(() => this.fetches.delete(request));
  }

  private async request(
    id: number,
    method: string,
    url: string,
    lines: string,
    body: string,
    timeout: number,
  ): Promise<void> {
    const abort = new AbortController();
    let why = 0;
    const timer = setTimeout(() => {
      why = 1;
      abort.abort();
    }, timeout);
    try {
      const headers: Record<string, string> = {};
      for (const line of lines.split('\n')) {
        const at = line.indexOf(': ');
        // The browser's cache makes conditional requests itself.
        if (at > 0 && !line.startsWith('if-none-match')) headers[line.slice(0, at)] = line.slice(at + 2);
      }
      const bearer = headers['authorization']?.replace(/^Bearer /, '');
      if (this.leaving && bearer && url.endsWith('/events')) {
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
        keepalive: this.leaving,
        signal: abort.signal,
      });
      const bytes = await bounded(response);
      if (!bytes) why = 2;
      else {
        const header = (name: string): string => response.headers.get(name) ?? '';
        clearTimeout(timer);
        this.call((engine) =>
          engine.answered(id, response.status, header('etag'), header('retry-after'), bytes),
        );
        return;
      }
    } catch {
      // `why` says it. Never within the call that asked for it.
      await undefined;
    }
    clearTimeout(timer);
    abort.abort();
    this.call((engine) => engine.unanswered(id, why));
  }

  ask(ticket: number): void {
    const answer = (token: string | undefined): void => {
      this.call((engine) => engine.token(ticket, token));
    };
    Promise.resolve()
      .then(() => this.game.token())
      .then(
        (token) => {
          if (typeof token === 'string') return answer(token);
          this.game.log('error', 'the token provider gave no string');
          answer(undefined);
        },
        (error: unknown) => {
          this.game.log('warn', `the token provider failed: ${error}`);
          answer(undefined);
        },
      );
  }

  load(name: string): string | undefined {
    return this.store.load(name);
  }

  save(name: string, text: string): boolean {
    return this.store.save(name, text);
  }

  wake(at: number): void {
    clearTimeout(this.timer);
    if (at === Infinity || this.closed) return;
    const wait = Math.min(Math.max(0, Math.ceil(at - performance.now())), MAX_TIMEOUT);
    this.timer = setTimeout(() => this.call((engine) => engine.woken()), wait);
  }

  log(level: number, line: string): void {
    if (this.lines.length < MAX_LINES) this.lines.push([LEVELS[level] ?? 'debug', line]);
    else this.lost++;
  }

  flags(): void {
    this.game.flagsChanged();
  }

  event(
    kind: number,
    a: string,
    b: string,
    c: string,
    d: string,
    e: string,
    f: string,
    w: number,
    x: number,
    y: number,
    z: number,
  ): void {
    this.handed = told(kind, [a, b, c, d, e, f], [w, x, y, z]);
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

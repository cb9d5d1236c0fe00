// The client of native builds: the C library behind the same interface as the web's. It converts, and keeps who waits for which answer;
// everything else is decided in the library.
import { CastlineError } from './error';
import { NativeBets, NativeFlags, NativeOffers, NativeRooms } from './native-parts';
import type { CastlineNative, NativePlugin } from './native-module';
import { EventStream } from './stream';
import type { CastlineEvent, Client, EventKind, EventOf, Options, State } from './types';
import * as words from './words';

const { Kind } = words;

/** `Options`, and what a native build adds. */
export type NativeOptions = Options & {
  /**
   * How much of a frame the events of all clients may take, in milliseconds; the default is 2. At least one event a frame comes.
   * The last client that was connected decides.
   */
  tickBudgetMs?: number;
};

/** Who waits for the reply to a request. */
export interface Waiter {
  completed(reply: { idempotencyKey: string; payload: unknown }): void;
  failed(error: CastlineError): void;
}

type Body = Record<string, any>;

export class NativeClient implements Client {
  readonly flags: NativeFlags;
  readonly offers: NativeOffers;
  readonly rooms: NativeRooms;
  readonly bets: NativeBets;
  private readonly stream = new EventStream((line) => this.log('error', line));
  private readonly waiters = new Map<number, Waiter>();
  private ended: (() => void) | undefined;
  private readonly end = new Promise<void>((resolve) => { this.ended = resolve; });
  private over = false;
  private lastLine = '';

  /** `dataDir`: where `storage: 'local'` keeps its files. */
  static connect(Plugin: NativePlugin, options: NativeOptions, dataDir: string): NativeClient {
    const log = options.log;
    if (log !== undefined && typeof log !== 'function') throw words.invalid('log must be a function');
    const wish = {
      url: words.text(options.url, 'url'),
      build: words.text(options.build, 'build'),
      playerId: words.text(options.playerId ?? '', 'playerId'),
      token: typeof options.token === 'string' ? options.token : '',
      dataDir: storage(options) === 'local' ? dataDir : '',
      flagUpdates: oneOf(options.flagUpdates ?? 'immediate', ['immediate', 'at-break'], 'flagUpdates'),
      logLevel: log ? words.LOG_DEBUG : words.LOG_WARN,
      automatic: 1 - oneOf(options.lifecycle ?? 'automatic', ['automatic', 'manual'], 'lifecycle'),
    };
    if (wish.token === '' && typeof options.token !== 'function') throw words.invalid('token must be a text or a function that gives one');
    const budget = options.tickBudgetMs ?? 2;
    if (!(budget >= 0 && budget <= 1000)) throw words.invalid('tickBudgetMs must be between 0 and 1000');
    let client = new NativeClient(new Plugin(), options);
    let result = client.native.connect(wish, client.hear);
    if (result === words.IN_USE) {
      client.log('warn', `another client uses ${wish.dataDir}: this one keeps nothing`);
      client = new NativeClient(new Plugin(), options);
      result = client.native.connect({ ...wish, dataDir: '' }, client.hear);
    }
    if (result !== 0) {
      const why = client.lastLine || words.resultOf(result);
      throw new CastlineError(words.resultOf(result), `connect: ${why}`);
    }
    client.offers.expect(client.native.openBreaks());
    client.native.setBudget(Math.round(budget * 1000));
    return client;
  }

  private constructor(readonly native: CastlineNative, private readonly options: Options) {
    this.flags = new NativeFlags(native);
    this.offers = new NativeOffers(this);
    this.rooms = new NativeRooms(this);
    this.bets = new NativeBets(this);
  }

  get state(): State {
    return this.over ? 'closed' : words.stateOf(this.native.state());
  }

  get serverTime(): number {
    return this.native.serverTime();
  }

  on<K extends EventKind>(kind: K, listener: (event: EventOf<K>) => void): () => void {
    return this.stream.on(kind, listener);
  }

  events(): AsyncIterableIterator<CastlineEvent> {
    return this.stream.loop();
  }

  request<T = unknown>(
    channel: 'game' | 'social', type: string, payload: object, options: { timeoutMs?: number; idempotencyKey?: string } = {},
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const number = this.native.request(
        words.channelNumber(channel), words.text(type, 'type'), words.json(payload, 'payload'),
        words.milliseconds(options.timeoutMs, 'timeoutMs'), words.text(options.idempotencyKey ?? '', 'idempotencyKey'),
      );
      this.wait('request', number, { completed: (reply) => resolve(reply.payload as T), failed: reject });
    });
  }

  send(channel: 'game' | 'social', type: string, payload: object): void {
    const written = words.json(payload, 'payload');
    words.check('send', this.native.send(words.channelNumber(channel), words.text(type, 'type'), written));
  }

  track(name: string, props: Record<string, unknown> = {}): void {
    words.check('track', this.native.track(words.text(name, 'name'), words.json(props, 'props')));
  }

  reconnect(): void {
    words.check('reconnect', this.native.reconnect());
  }

  lifecycle(what: 'foreground' | 'background' | 'network-changed' | 'network-lost'): void {
    words.check('lifecycle', this.native.lifecycle(words.lifecycleNumber(what)));
  }

  close(): Promise<void> {
    if (!this.over) this.native.close();
    return this.end;
  }

  /** Throws when the request was refused. */
  wait(call: string, number: number, waiter: Waiter): void {
    if (number < 0) throw words.refusal(call, -number);
    this.waiters.set(number, waiter);
  }

  // The native plugin calls it, in a frame of the engine.
  private readonly hear = (kind: number, body: string): void => {
    this.tell(kind, JSON.parse(body));
  };

  private tell(kind: number, body: Body): void {
    switch (kind) {
    case Kind.Log: return this.log(words.levelOf(body.level), body.line);
    case Kind.TokenNeeded: return this.giveToken();
    case Kind.OfferReady: return this.offers.answer(body as any);
    case Kind.NoOffer: return this.offers.answer(null);
    case Kind.OfferExpired:
      if (this.offers.expired(body.offerId)) this.stream.emit({ kind: 'offerExpired', offerId: body.offerId });
      return;
    case Kind.RequestCompleted: {
      const { request, idempotencyKey, type, payload } = body;
      const waiter = this.waiter(request);
      if (waiter) return waiter.completed({ idempotencyKey, payload });
      return this.stream.emit({ kind: 'requestCompleted', idempotencyKey, type, payload });
    }
    case Kind.RequestFailed: {
      const { request, idempotencyKey, message, retryAfterMs } = body;
      const code = body.codeText || words.codeOf(body.code);
      const waiter = this.waiter(request);
      if (waiter) return waiter.failed(new CastlineError(code, message || code, retryAfterMs));
      return this.stream.emit({ kind: 'requestFailed', idempotencyKey, code, message, retryAfterMs });
    }
    case Kind.RoomChanged: {
      const event = roomChanged(body);
      this.rooms.changed(event);
      return this.stream.emit(event);
    }
    case Kind.Ended: return this.finish();
    default: {
      const event = plainEvent(kind, body);
      if (event) this.stream.emit(event);
    }
    }
  }

  private waiter(request: number): Waiter | undefined {
    const waiter = this.waiters.get(request);
    this.waiters.delete(request);
    return waiter;
  }

  private giveToken(): void {
    const { token } = this.options;
    // A text was given when connecting; the server did not take it.
    if (typeof token === 'string') {
      this.native.setToken('');
      return;
    }
    Promise.resolve().then(token).then(
      (given) => {
        if (typeof given !== 'string' || given === '' || this.native.setToken(given) !== 0) this.native.setToken('');
      },
      (error) => {
        this.log('warn', `no token: ${String(error)}`);
        this.native.setToken('');
      },
    );
  }

  private finish(): void {
    this.over = true;
    const closed = () => new CastlineError('CLOSED', 'the client was closed');
    // The library answers all of them before it ends; nobody shall wait for ever if it could not.
    for (const waiter of Array.from(this.waiters.values())) waiter.failed(closed());
    this.waiters.clear();
    this.offers.finish();
    this.rooms.finish(closed);
    this.stream.end();
    this.ended?.();
  }

  private log(level: 'error' | 'warn' | 'info' | 'debug', line: string): void {
    this.lastLine = line;
    if (!this.options.log) {
      if (level === 'error' || level === 'warn') console.warn(`castline: ${line}`);
      return;
    }
    try {
      this.options.log(level, line);
    } catch (error) {
      console.warn(`castline: the log function threw: ${String(error)}`);
    }
  }
}

function storage(options: Options): 'local' | 'memory' {
  const given = options.storage ?? 'local';
  if (given !== 'local' && given !== 'memory') throw words.invalid("storage must be 'local' or 'memory' on native builds");
  return given;
}

function oneOf(word: string, known: string[], what: string): number {
  const index = known.indexOf(word);
  if (index < 0) throw words.invalid(`${what} must be one of ${known.join(', ')}`);
  return index;
}

function roomChanged(body: Body): EventOf<'roomChanged'> {
  const { gameId, userId, playerCount } = body;
  const change = words.roomChangeOf(body.change);
  const event: EventOf<'roomChanged'> = { kind: 'roomChanged', gameId, change, playerCount };
  if (userId !== '') event.userId = userId;
  if (change === 'join-failed') event.code = words.codeOf(body.code);
  return event;
}

/** Kinds that are an event and nothing else. `undefined`: one that a later library adds. */
function plainEvent(kind: number, body: Body): CastlineEvent | undefined {
  switch (kind) {
  case Kind.StateChanged: {
    const { code, retryInMs } = body;
    const [state, previous] = [words.stateOf(body.state), words.stateOf(body.previous)];
    return { kind: 'stateChanged', state, previous, cause: words.causeOf(body.cause), code, retryInMs };
  }
  case Kind.SessionLost: return { kind: 'sessionLost' };
  case Kind.Dropped: return { kind: 'dropped', what: words.droppedOf(body.what), count: body.count };
  case Kind.FlagsChanged: return { kind: 'flagsChanged', version: body.version };
  case Kind.RoomMessage: return { kind: 'roomMessage', gameId: body.gameId, from: body.from, event: body.event, data: body.data };
  case Kind.RoomGap: return { kind: 'roomGap', gameId: body.gameId, missing: body.missing };
  case Kind.BetSettled: return { ...(body as EventOf<'betSettled'>), kind: 'betSettled', outcome: words.betOutcomeOf(body.outcome) };
  case Kind.Message: return { kind: 'message', channel: words.channelOf(body.channel), type: body.type, payload: body.payload };
  default: return undefined;
  }
}

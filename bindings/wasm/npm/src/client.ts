// The client that a game holds: calls become commands of the core, its events become promises and listeners.

import type { Text } from './crossing.js';
import { Driver, type Game } from './driver.js';
import { CastlineError, fields, invalid, json, number, optionalText, text } from './error.js';
import type { Reply, Told } from './events.js';
import { FlagReader } from './flags.js';
import { watch } from './lifecycle.js';
import { Call } from './numbers.js';
import type { Store } from './storage.js';
import { Stream } from './stream.js';
import type {
  Bet,
  Bets,
  BreakOptions,
  CastlineEvent,
  Channel,
  Client,
  EventKind,
  EventOf,
  Flags,
  Lifecycle,
  LogLevel,
  Offer,
  Offers,
  Options,
  Outcome,
  RequestOptions,
  Rooms,
  State,
} from './types.js';

const MAX_REQUESTS = 64;
const MAX_ROOMS = 8;
/** How long the last words may take. */
const LAST_WORDS_MS = 1_000;

const STATES: readonly State[] = [
  'failed',
  'connecting',
  'online',
  'waiting',
  'dormant',
  'failed',
  'replaced',
  'closed',
];
const LIFECYCLE: readonly Lifecycle[] = ['foreground', 'background', 'network-changed', 'network-lost'];

type Waiter<T> = { resolve(value: T): void; reject(error: CastlineError): void };
type Completed = EventOf<'requestCompleted'>;
type Room = { players: number | undefined; waiting: Waiter<{ players: number }>[] };

const closedError = (): CastlineError => new CastlineError('CLOSED', 'the client is closed');
const notSent = (): CastlineError => new CastlineError('NOT_SENT', 'the SDK cannot run here');

export class CastlineClient implements Client, Game {
  readonly flags: Flags;
  readonly offers: Offers;
  readonly rooms: Rooms;
  readonly bets: Bets;

  readonly #options: Options;
  readonly #driver: Driver;
  readonly #reader: FlagReader;
  #condition: 'alive' | 'inert' | 'closed' = 'alive';
  readonly #listeners = new Map<EventKind, Set<(event: never) => void>>();
  readonly #streams = new Set<Stream>();
  /** Each `ready` has one answer, and they come in order. */
  readonly #breaks: ((offer: Offer | null) => void)[] = [];
  readonly #requests = new Map<number, Waiter<Completed>>();
  #lastRequest = 0;
  readonly #joined = new Map<string, Room>();
  #unwatch: (() => void) | undefined;

  constructor(options: Options, store: Store) {
    this.#options = options;
    this.#driver = new Driver(this, store);
    this.#reader = new FlagReader((what, key, want) => this.#driver.ask(what, [key && `${key}`], want));
    this.flags = this.#makeFlags();
    this.offers = this.#makeOffers();
    this.rooms = this.#makeRooms();
    this.bets = { place: (bet) => this.#place(bet) };
  }

  start(texts: Text[]): void {
    this.#driver.start(texts);
    if ((this.#options.lifecycle ?? 'automatic') === 'automatic') {
      this.#unwatch = watch(this.#driver, (what) => this.lifecycle(what));
    }
  }

  /** There is no module: the game plays on with its defaults. */
  startInert(): void {
    this.#condition = 'inert';
    setTimeout(() => this.#fail());
  }

  // ---- the game's calls ----

  get state(): State {
    if (this.#condition === 'alive') return STATES[this.#driver.call(Call.state) ?? 0] ?? 'failed';
    return this.#condition === 'closed' ? 'closed' : 'failed';
  }

  get serverTime(): number {
    return this.#driver.call(Call.serverTime) ?? Date.now();
  }

  on<K extends EventKind>(kind: K, listener: (event: EventOf<K>) => void): () => void {
    if (typeof listener !== 'function') throw invalid('listener must be a function');
    const all = this.#listeners.get(kind) ?? new Set();
    this.#listeners.set(kind, all.add(listener as (event: never) => void));
    return () => void all.delete(listener as (event: never) => void);
  }

  events(): AsyncIterableIterator<CastlineEvent> {
    const stream = new Stream((ended) => this.#streams.delete(ended));
    if (this.#condition === 'closed') stream.end();
    else this.#streams.add(stream);
    return stream;
  }

  async request<T = unknown>(
    channel: Channel,
    type: string,
    payload: object,
    options?: RequestOptions,
  ): Promise<T> {
    const body = json(payload, 'payload');
    const { timeoutMs = 10_000, idempotencyKey } = fields(options);
    const key = optionalText(idempotencyKey, 'idempotencyKey');
    const texts = [text(channel, 'channel'), text(type, 'type'), body, key];
    const reply = await this.#ask(Call.request, texts, number(timeoutMs, 'timeoutMs'));
    return reply.payload as T;
  }

  send(channel: Channel, type: string, payload: object): void {
    this.#command(Call.send, text(channel, 'channel'), text(type, 'type'), json(payload, 'payload'));
  }

  track(name: string, props: Record<string, unknown> = {}): void {
    this.#command(Call.track, text(name, 'event name'), json(props, 'props'));
  }

  reconnect(): void {
    this.#command(Call.reconnect);
  }

  lifecycle(what: Lifecycle): void {
    const number = LIFECYCLE.indexOf(what) + 1;
    if (!number) throw invalid(`lifecycle must be one of ${LIFECYCLE.join(', ')}`);
    if (what === 'foreground') this.#driver.stay();
    this.#driver.call(Call.lifecycle, [], number);
  }

  async close(): Promise<void> {
    if (this.#condition === 'closed') return;
    this.#unwatch?.();
    this.#reader.keep();
    const inert = this.#condition === 'inert';
    // In there come the last events and every open answer.
    const gone = this.#driver.close(LAST_WORDS_MS);
    this.#condition = 'closed';
    this.#settleAll(inert ? notSent : closedError);
    this.#listeners.clear();
    for (const stream of [...this.#streams]) stream.end();
    await gone;
  }

  // ---- what the driver tells ----

  take(told: Told | undefined): void {
    if (!told) {
      this.#condition = 'inert';
      this.#settleAll(notSent);
      return this.#fail();
    }
    switch (told.kind) {
      case 'offer':
        return this.#breaks.shift()?.(told.offer);
      case 'reply':
        return this.#reply(told.request, told.event);
      case 'event':
        if (told.event.kind === 'roomChanged') this.#roomChanged(told.event);
        return this.#emit(told.event);
    }
  }

  flagsChanged(): void {
    this.#reader.forget();
  }

  log(level: LogLevel, line: string): void {
    try {
      if (this.#options.log) this.#options.log(level, line);
      else if (level === 'error' || level === 'warn') console[level](`castline: ${line}`);
    } catch {
      // A log hook that throws has nobody to tell.
    }
  }

  token(): Promise<string> | string {
    const { token } = this.#options;
    return typeof token === 'function' ? token() : token;
  }

  // ---- the parts ----

  #makeFlags(): Flags {
    const reader = this.#reader;
    return {
      bool: (key, or) => reader.read(1, key, or),
      int: (key, or) => reader.read(2, key, or),
      float: (key, or) => reader.read(3, key, or),
      string: (key, or) => reader.read(4, key, or),
      json: (key, or) => reader.read(0, key, or),
      variant: (key) => reader.variant(key),
      reason: (key) => reader.reason(key),
      apply: () => void this.#driver.call(Call.apply),
      setAttributes: (attributes) => this.#command(Call.attributes, json(attributes, 'attributes')),
    };
  }

  #makeOffers(): Offers {
    return {
      ready: async (placement: string, options?: BreakOptions) => {
        const { context, leaseMs = 10_000 } = fields(options);
        const seen = context && json(context, 'context');
        text(placement, 'placement');
        number(leaseMs, 'leaseMs');
        if (this.#condition !== 'alive') return null;
        return new Promise((resolve) => {
          this.#driver.command(Call.ready, [placement, seen], leaseMs);
          if (this.#condition === 'alive') this.#breaks.push(resolve);
          else resolve(null);
        });
      },
      notReady: () => this.#command(Call.notReady),
      result: (offerId: string, outcome: Outcome) =>
        this.#command(Call.result, text(offerId, 'offerId'), text(outcome, 'outcome')),
    };
  }

  #makeRooms(): Rooms {
    const name = (gameId: unknown): string => text(gameId, 'gameId');
    return {
      join: async (gameId) => {
        const room = this.#joined.get(name(gameId));
        if (!room && this.#joined.size >= MAX_ROOMS) throw new CastlineError('FULL', `at most ${MAX_ROOMS} rooms`);
        this.#command(Call.join, gameId);
        if (room?.players !== undefined) return { players: room.players };
        return new Promise((resolve, reject) => {
          const entry = room ?? { players: undefined, waiting: [] };
          entry.waiting.push({ resolve, reject });
          this.#joined.set(gameId, entry);
        });
      },
      leave: (gameId) => this.#command(Call.leave, name(gameId)),
      send: (gameId, event, data) =>
        this.#command(Call.say, name(gameId), text(event, 'event'), json(data, 'data')),
    };
  }

  async #place(bet: Bet): Promise<{ idempotencyKey: string }> {
    const amount = number(bet?.amount, 'amount');
    const selection = json(bet.selection, 'selection');
    const seed = optionalText(bet.clientSeed, 'clientSeed');
    const key = optionalText(bet.idempotencyKey, 'idempotencyKey');
    const reply = await this.#ask(Call.bet, [text(bet.gameId, 'gameId'), selection, seed, key], amount);
    return { idempotencyKey: reply.idempotencyKey };
  }

  // ---- within ----

  #command(what: Call, ...texts: Text[]): void {
    this.#order(what, texts);
  }

  #order(what: Call, texts: Text[], a?: number, b?: number): void {
    if (this.#condition === 'closed') throw closedError();
    this.#driver.command(what, texts, a, b);
  }

  #ask(what: Call, texts: Text[], number: number): Promise<Completed> {
    if (this.#condition === 'inert') throw notSent();
    if (this.#requests.size >= MAX_REQUESTS) throw new CastlineError('FULL', `at most ${MAX_REQUESTS} open requests`);
    const id = ++this.#lastRequest;
    this.#order(what, texts, id, number);
    return new Promise((resolve, reject) => {
      // The module may have ended in that very call.
      if (this.#condition === 'alive') this.#requests.set(id, { resolve, reject });
      else reject(notSent());
    });
  }

  #reply(id: number, event: Reply): void {
    const waiter = this.#requests.get(id);
    // An earlier run's bet: nobody waits for it, and it is known by its key.
    if (!waiter) return this.#emit(event);
    this.#requests.delete(id);
    if (event.kind === 'requestCompleted') waiter.resolve(event);
    else waiter.reject(new CastlineError(event.code, event.message, event.retryAfterMs));
  }

  #roomChanged(event: EventOf<'roomChanged'>): void {
    const room = this.#joined.get(event.gameId);
    if (!room) return;
    const waiting = room.waiting.splice(0);
    switch (event.change) {
      case 'joined':
        room.players = event.playerCount;
        for (const waiter of waiting) waiter.resolve({ players: event.playerCount });
        return;
      case 'join-failed':
      case 'left': {
        this.#joined.delete(event.gameId);
        const error = new CastlineError(event.code ?? 'NOT_IN_ROOM', `${event.gameId}: ${event.change}`);
        for (const waiter of waiting) waiter.reject(error);
        return;
      }
      default:
        room.players = event.playerCount;
        room.waiting = waiting;
    }
  }

  #emit(event: CastlineEvent): void {
    for (const listener of [...(this.#listeners.get(event.kind) ?? [])]) {
      try {
        (listener as (event: CastlineEvent) => void)(event);
      } catch (error) {
        this.log('error', `a listener of ${event.kind} threw: ${(error as Error)?.stack ?? error}`);
      }
    }
    for (const stream of this.#streams) stream.push(event);
  }

  #fail(): void {
    if (this.#condition !== 'inert') return;
    const [state, previous, cause] = ['failed', 'connecting', 'unsupported'] as const;
    this.#emit({ kind: 'stateChanged', state, previous, cause, code: 0, retryInMs: 0 });
  }

  #settleAll(error: () => CastlineError): void {
    for (const resolve of this.#breaks.splice(0)) resolve(null);
    for (const [id, waiter] of this.#requests) {
      this.#requests.delete(id);
      waiter.reject(error());
    }
    for (const room of this.#joined.values()) for (const waiter of room.waiting.splice(0)) waiter.reject(error());
    this.#joined.clear();
  }
}

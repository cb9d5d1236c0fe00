/** What `init` accepts: the module's bytes, a compiled module, an answer of `fetch`, or where to fetch it. */
export type WasmSource = BufferSource | WebAssembly.Module | Response | URL | string;

export interface Options {
  /** `https://host[/prefix]`; the socket is its `/ws`. `http` for loopback and private addresses only. */
  url: string;
  /** The game's build, 1 to 128 bytes. */
  build: string;
  /** For flags before the first token; must be the token's `sub`. Default: that `sub`. */
  playerId?: string;
  /** A provider is asked once at a time; after a rejection again later. A plain text is used as long as it is good. */
  token: string | (() => Promise<string>);
  /** Where the SDK remembers. Default `local`; memory where that is denied, or where another tab has it. */
  storage?: 'local' | 'memory' | Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
  /**
   * When fetched flags take effect. `immediate`, the default: as soon as `flagsChanged` is handed over. `at-break`: only in
   * `offers.ready` and `flags.apply`; but a run's first answer at once while no flag has been read.
   */
  flagUpdates?: 'immediate' | 'at-break';
  /** Whether the page's life is watched: visibility, `online` and `offline`, `pagehide`. Default `automatic`. */
  lifecycle?: 'automatic' | 'manual';
  /** Log lines. Default: errors and warnings to the console. */
  log?: (level: LogLevel, line: string) => void;
}

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

export interface Client {
  /** Where the connection stands now. */
  readonly state: State;
  /** The server's clock, Unix ms; the device's until the server's first word. */
  readonly serverTime: number;
  readonly flags: Flags;
  readonly offers: Offers;
  readonly rooms: Rooms;
  readonly bets: Bets;
  /** Returns its removal. A listener that throws is logged; the others are called all the same. */
  on<K extends EventKind>(kind: K, listener: (event: EventOf<K>) => void): () => void;
  /** For `for await`; leaving the loop ends it, and so does `close`. It buffers 256 events, then loses the oldest. */
  events(): AsyncIterableIterator<CastlineEvent>;
  /** A request of the game's own: resolves to the reply's payload, rejects with a `CastlineError`. */
  request<T = unknown>(channel: Channel, type: string, payload: object, options?: RequestOptions): Promise<T>;
  /** A message that nobody answers. It is dropped while there is no connection. */
  send(channel: Channel, type: string, payload: object): void;
  /** Queues an analytics event, at most 2,048 bytes. */
  track(name: string, props?: Record<string, unknown>): void;
  /** Connects now: takes the device back after `replaced`, tries again after `failed` for `auth`, ends a back-off. */
  reconnect(): void;
  /** Sends what is queued, answers what is open. After it nothing comes. Resolves when the last words are said. */
  close(): Promise<void>;
  /** The host's word on the game's life, beside or in place of what `automatic` watches. */
  lifecycle(what: Lifecycle): void;
}

export interface RequestOptions {
  /** 1 ms to 10 min. Default: 10 s. */
  timeoutMs?: number;
  /** 1 to 64 bytes: makes it safe to repeat over reconnects. */
  idempotencyKey?: string;
}

/** Synchronous; never throw (but `setAttributes`, for a bad argument). */
export interface Flags {
  bool(key: string, defaultValue: boolean): boolean;
  string(key: string, defaultValue: string): string;
  /** A number without fraction within ±(2⁵³ − 1). */
  int(key: string, defaultValue: number): number;
  float(key: string, defaultValue: number): number;
  /** Parsed once, frozen. */
  json<T>(key: string, defaultValue: T): T;
  /** `undefined`: the server knows no such flag, or it was malformed. */
  variant(key: string): string | undefined;
  /** Why the value is what it is: `DEFAULT` for a flag with its default variant, and for one that the server does not know. */
  reason(key: string): Reason;
  /**
   * A safe point: fetched flags that wait take effect now. `offers.ready` is one too. Nothing tells that some wait, and where none do
   * nothing happens: call it wherever values may change before the player's eyes, in each frame of a menu if you like.
   */
  apply(): void;
  /** What the game observes of its player, for targeting: at most 8. Fetches the flags anew. */
  setAttributes(attributes: Record<string, Scalar>): void;
}

export interface Offers {
  /** The game is at a break. Resolves to one offer, or to `null`: play on. */
  ready(placement: string, options?: BreakOptions): Promise<Offer | null>;
  /** The break is over: what comes now waits for the next one. */
  notReady(): void;
  /** What became of an offer. */
  result(offerId: string, outcome: Outcome): void;
}

export interface BreakOptions {
  /** What the server may choose by. */
  context?: Record<string, Scalar>;
  /** How long an offer may still come: 1,000 to 60,000. Default 10,000. */
  leaseMs?: number;
}

export interface Rooms {
  /** Joins, and joins again after every reconnect. At most 8 rooms. */
  join(gameId: string): Promise<{ players: number }>;
  leave(gameId: string): void;
  /** To the others in the room. It is dropped while there is no connection. */
  send(gameId: string, event: string, data: object): void;
}

export interface Bets {
  /** Resolves when the server has taken the bet; its outcome is `betSettled`. */
  place(bet: Bet): Promise<{ idempotencyKey: string }>;
}

export interface Bet {
  gameId: string;
  /** Minor units, 1 to 2⁵³ − 1. */
  amount: number;
  /** Any JSON that the game's engine understands. */
  selection: unknown;
  /** The player's share of the roll, 1 to 64 bytes. Default: made. */
  clientSeed?: string;
  /** Placing again with the same key places once. Default: made. */
  idempotencyKey?: string;
}

export interface Offer {
  offerId: string;
  campaignId: string;
  title: string;
  /** Per cent. */
  discount: number;
  /** `https`, or empty. */
  imageUrl: string;
  placement: string;
  /** Server time, Unix ms: count down against `client.serverTime`. */
  expiresAt: number;
  /** What the campaign added. */
  data?: unknown;
}

export type Scalar = string | number | boolean;
export type Channel = 'game' | 'social';
export type Outcome = 'shown' | 'accepted' | 'declined' | 'expired';
export type Lifecycle = 'foreground' | 'background' | 'network-changed' | 'network-lost';
export type State = 'connecting' | 'online' | 'waiting' | 'dormant' | 'failed' | 'replaced' | 'closed';
export type Cause =
  | 'none'
  | 'network'
  | 'server'
  | 'idle'
  | 'background'
  | 'token'
  | 'auth'
  | 'protocol'
  | 'build-too-old'
  | 'banned'
  | 'unsupported'
  | 'closed';
/** OpenFeature's words and `OVERRIDE`. */
export type Reason =
  | 'STATIC'
  | 'DEFAULT'
  | 'SPLIT'
  | 'TARGETING_MATCH'
  | 'DISABLED'
  | 'CACHED'
  | 'STALE'
  | 'ERROR'
  | 'OVERRIDE'
  | 'UNKNOWN';

/** What the game is told. Ignore what you don't know: minor versions add kinds. */
export type CastlineEvent =
  | { kind: 'stateChanged'; state: State; previous: State; cause: Cause; code: number; retryInMs: number }
  | { kind: 'sessionLost' }
  | { kind: 'offerExpired'; offerId: string }
  | { kind: 'flagsChanged'; version: string }
  | { kind: 'dropped'; what: 'events' | 'analytics' | 'backlog' | 'logs'; count: number }
  | { kind: 'requestCompleted'; idempotencyKey: string; type: string; payload: unknown }
  | { kind: 'requestFailed'; idempotencyKey: string; code: string; message: string; retryAfterMs: number }
  | { kind: 'message'; channel: string; type: string; payload: unknown }
  | {
      kind: 'roomChanged';
      gameId: string;
      change: 'joined' | 'join-failed' | 'left' | 'player-joined' | 'player-left';
      userId?: string;
      playerCount: number;
      code?: string;
    }
  | { kind: 'roomMessage'; gameId: string; from: string; event: string; data: unknown }
  | { kind: 'roomGap'; gameId: string; missing: number }
  | {
      kind: 'betSettled';
      idempotencyKey: string;
      outcome: 'win' | 'lose' | 'void';
      payout: number;
      balance: number;
      roll: number;
      sides: number;
      serverSeed: string;
      serverSeedHash: string;
      clientSeed: string;
    };
export type EventKind = CastlineEvent['kind'];
export type EventOf<K extends EventKind> = Extract<CastlineEvent, { kind: K }>;

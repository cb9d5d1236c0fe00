// Flags, offers, rooms and bets of the native client.
import { CastlineError } from './error';
import type { NativeClient } from './native-client';
import type { CastlineNative } from './native-module';
import type { Bet, Bets, EventOf, Flags, Offer, Offers, Reason, Rooms } from './types';
import * as words from './words';

export class NativeFlags implements Flags {
  private readonly parsed = new Map<string, { text: string; value: unknown }>();

  constructor(private readonly native: CastlineNative) {}

  bool(key: string, defaultValue: boolean): boolean {
    return this.native.flagBool(`${key}`, defaultValue);
  }

  string(key: string, defaultValue: string): string {
    return this.native.flagString(`${key}`, defaultValue);
  }

  int(key: string, defaultValue: number): number {
    return this.native.flagInt(`${key}`, defaultValue);
  }

  float(key: string, defaultValue: number): number {
    return this.native.flagFloat(`${key}`, defaultValue);
  }

  json<T>(key: string, defaultValue: T): T {
    const text = this.native.flagJson(`${key}`);
    if (text === '') return defaultValue;
    let known = this.parsed.get(key);
    if (known?.text !== text) {
      known = { text, value: freeze(JSON.parse(text)) };
      this.parsed.set(key, known);
    }
    return known.value as T;
  }

  variant(key: string): string | undefined {
    return this.native.flagVariant(`${key}`) || undefined;
  }

  reason(key: string): Reason {
    return words.reasonOf(this.native.flagReason(`${key}`));
  }

  apply(): void {
    words.check('flags.apply', this.native.applyFlags());
  }

  setAttributes(attributes: Record<string, string | number | boolean>): void {
    words.check('flags.setAttributes', this.native.setAttributes(words.json(attributes, 'attributes')));
  }
}

function freeze(value: unknown): unknown {
  if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach(freeze);
    Object.freeze(value);
  }
  return value;
}

export class NativeOffers implements Offers {
  private readonly waiting: ((offer: Offer | null) => void)[] = [];
  /** Answers that a script asked for which is gone; they come before our own. */
  private earlier = 0;
  /** An offer among those: the next break's. */
  private kept: Offer | null = null;

  constructor(private readonly client: NativeClient) {}

  ready(placement: string, options: { context?: Record<string, string | number | boolean>; leaseMs?: number } = {}): Promise<Offer | null> {
    return new Promise((resolve) => {
      const context = options.context === undefined ? '' : words.json(options.context, 'context');
      const { native } = this.client;
      const kept = this.kept;
      this.kept = null;
      if (kept && kept.expiresAt > this.client.serverTime) {
        words.text(placement, 'placement');
        native.applyFlags();
        return resolve(kept);
      }
      const result = native.offersReady(words.text(placement, 'placement'), context, words.milliseconds(options.leaseMs, 'leaseMs'));
      if (words.resultOf(result) === 'CLOSED') return resolve(null);
      words.check('offers.ready', result);
      this.waiting.push(resolve);
    });
  }

  notReady(): void {
    words.check('offers.notReady', this.client.native.offersNotReady());
  }

  result(offerId: string, outcome: 'shown' | 'accepted' | 'declined' | 'expired'): void {
    words.check('offers.result', this.client.native.offersResult(words.text(offerId, 'offerId'), words.outcomeNumber(outcome)));
  }

  expect(earlier: number): void {
    this.earlier = earlier;
  }

  answer(offer: Offer | null): void {
    if (this.earlier > 0) {
      this.earlier -= 1;
      this.kept = offer ?? this.kept;
    } else {
      this.waiting.shift()?.(offer);
    }
  }

  /** Whether the game has seen the offer that ran out. */
  expired(offerId: string): boolean {
    if (this.kept?.offerId !== offerId) return true;
    this.kept = null;
    return false;
  }

  finish(): void {
    for (const resolve of this.waiting.splice(0)) resolve(null);
  }
}

interface Joiner {
  resolve(joined: { players: number }): void;
  reject(error: CastlineError): void;
}

export class NativeRooms implements Rooms {
  private readonly joiners = new Map<string, Joiner[]>();

  constructor(private readonly client: NativeClient) {}

  join(gameId: string): Promise<{ players: number }> {
    return new Promise((resolve, reject) => {
      words.check('rooms.join', this.client.native.roomsJoin(words.text(gameId, 'gameId')));
      const joiners = this.joiners.get(gameId) ?? [];
      joiners.push({ resolve, reject });
      this.joiners.set(gameId, joiners);
    });
  }

  leave(gameId: string): void {
    words.check('rooms.leave', this.client.native.roomsLeave(words.text(gameId, 'gameId')));
  }

  send(gameId: string, event: string, data: object): void {
    const written = words.json(data, 'data');
    words.check('rooms.send', this.client.native.roomsSend(words.text(gameId, 'gameId'), words.text(event, 'event'), written));
  }

  changed({ gameId, change, playerCount, code }: EventOf<'roomChanged'>): void {
    if (change === 'player-joined' || change === 'player-left') return;
    const joiners = this.joiners.get(gameId) ?? [];
    this.joiners.delete(gameId);
    const failed = code ?? 'NOT_IN_ROOM';
    for (const joiner of joiners) {
      if (change === 'joined') joiner.resolve({ players: playerCount });
      else joiner.reject(new CastlineError(failed, `rooms.join: ${failed}`));
    }
  }

  finish(closed: () => CastlineError): void {
    this.joiners.forEach((joiners) => joiners.forEach((joiner) => joiner.reject(closed())));
    this.joiners.clear();
  }
}

export class NativeBets implements Bets {
  constructor(private readonly client: NativeClient) {}

  place(bet: Bet): Promise<{ idempotencyKey: string }> {
    return new Promise((resolve, reject) => {
      const number = this.client.native.betsPlace(
        words.text(bet.gameId, 'gameId'), Number(bet.amount), words.json(bet.selection, 'selection', 'any'),
        words.text(bet.clientSeed ?? '', 'clientSeed'), words.text(bet.idempotencyKey ?? '', 'idempotencyKey'),
      );
      this.client.wait('bets.place', number, { completed: ({ idempotencyKey }) => resolve({ idempotencyKey }), failed: reject });
    });
  }
}

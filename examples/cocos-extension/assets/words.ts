// The C library's numbers (castline.h) as words, and the checks that come before a call.
import { CastlineError } from './error';
import type { Cause, Reason, State } from './types';

/** Kinds of event, and the two that the plugin adds. */
export const Kind = {
  Log: 0, StateChanged: 1, TokenNeeded: 2, SessionLost: 3, Dropped: 4, OfferReady: 5, NoOffer: 6, OfferExpired: 7, FlagsChanged: 8,
  RequestCompleted: 9, RequestFailed: 10, RoomChanged: 11, RoomMessage: 12, RoomGap: 13, BetSettled: 14, Message: 15, Ended: 1000,
} as const;

const STATES: State[] = ['closed', 'connecting', 'online', 'waiting', 'dormant', 'failed', 'replaced', 'closed'];
const CAUSES: Cause[] = [
  'none', 'network', 'server', 'idle', 'background', 'token', 'auth', 'protocol', 'build-too-old', 'banned', 'unsupported', 'closed',
];
const REASONS: Reason[] = [
  'UNKNOWN', 'STATIC', 'DEFAULT', 'SPLIT', 'TARGETING_MATCH', 'DISABLED', 'CACHED', 'STALE', 'ERROR', 'OVERRIDE',
];
const RESULTS = [
  'OK', 'NO_EVENT', 'INVALID_ARGUMENT', 'CLOSED', 'CLOSED', 'FULL', 'TOO_LARGE', 'BUSY', 'IN_USE', 'TIMED_OUT', 'UNSUPPORTED', 'INTERNAL',
];
const CODES = [
  'UNKNOWN', 'INVALID_PAYLOAD', 'NOT_AUTHENTICATED', 'UNKNOWN_MESSAGE_TYPE', 'UNKNOWN_CHANNEL', 'MESSAGE_TOO_LARGE', 'RATE_LIMITED', 'FORBIDDEN',
  'NOT_FOUND', 'NOT_IN_ROOM', 'ROOM_FULL', 'INSUFFICIENT_BALANCE', 'SEED_USED', 'IDEMPOTENCY_MISMATCH', 'INTERNAL',
];
const SDK_CODES = ['NOT_SENT', 'UNKNOWN_OUTCOME', 'IDENTITY_CHANGED', 'QUEUE_FULL', 'CLOSED'];
const CHANNELS = ['unknown', 'offers', 'system', 'social', 'analytics', 'game'];
const DROPPED = ['events', 'events', 'analytics', 'backlog', 'logs'] as const;
const ROOM_CHANGES = ['left', 'joined', 'join-failed', 'left', 'player-joined', 'player-left'] as const;
const BET_OUTCOMES = ['void', 'win', 'lose', 'void'] as const;
const LEVELS = ['error', 'error', 'warn', 'info', 'debug'] as const;

export const IN_USE = 8;
export const LOG_WARN = 2;
export const LOG_DEBUG = 4;

export const stateOf = (n: number): State => STATES[n] ?? 'failed';
export const causeOf = (n: number): Cause => CAUSES[n] ?? 'none';
export const reasonOf = (n: number): Reason => REASONS[n] ?? 'UNKNOWN';
export const resultOf = (n: number): string => RESULTS[n] ?? 'INTERNAL';
export const codeOf = (n: number): string => (n >= 100 ? SDK_CODES[n - 100] : CODES[n]) ?? 'UNKNOWN';
export const channelOf = (n: number): string => CHANNELS[n] ?? 'unknown';
export const droppedOf = (n: number) => DROPPED[n] ?? 'events';
export const roomChangeOf = (n: number) => ROOM_CHANGES[n] ?? 'left';
export const betOutcomeOf = (n: number) => BET_OUTCOMES[n] ?? 'void';
export const levelOf = (n: number) => LEVELS[n] ?? 'debug';

const LIFECYCLE = { foreground: 1, background: 2, 'network-changed': 3, 'network-lost': 4 };
const OUTCOME = { shown: 1, accepted: 2, declined: 3, expired: 4 };
const CHANNEL = { social: 3, game: 5 };

export const lifecycleNumber = (word: keyof typeof LIFECYCLE): number => known(LIFECYCLE, word, 'lifecycle');
export const outcomeNumber = (word: keyof typeof OUTCOME): number => known(OUTCOME, word, 'outcome');
export const channelNumber = (word: keyof typeof CHANNEL): number => known(CHANNEL, word, 'channel');

export function invalid(message: string): CastlineError {
  return new CastlineError('INVALID_ARGUMENT', message);
}

function known<T extends object>(table: T, word: keyof T, what: string): T[keyof T] {
  if (!Object.prototype.hasOwnProperty.call(table, word)) throw invalid(`${what} must be one of ${Object.keys(table).join(', ')}`);
  return table[word];
}

/** Throws for a result that is not OK. */
export function check(call: string, result: number): void {
  if (result !== 0) throw refusal(call, result);
}

export function refusal(call: string, result: number): CastlineError {
  const code = resultOf(result);
  return new CastlineError(code, `${call}: ${code}`);
}

export function text(value: unknown, what: string): string {
  if (typeof value !== 'string') throw invalid(`${what} must be a string`);
  return value;
}

/** A whole number of milliseconds; absent: 0, which means the default. */
export function milliseconds(value: number | undefined, what: string): number {
  if (value === undefined) return 0;
  if (!Number.isInteger(value) || value < 1 || value > 0xffffffff) throw invalid(`${what} must be a whole number of milliseconds, at least 1`);
  return value;
}

/** JSON of an object, or of any value. */
export function json(value: unknown, what: string, kind: 'object' | 'any' = 'object'): string {
  if (kind === 'object' && (typeof value !== 'object' || value === null || Array.isArray(value))) throw invalid(`${what} must be an object`);
  let written: string | undefined;
  try {
    written = JSON.stringify(value, (_, part: unknown) => {
      if (typeof part === 'number' && !Number.isFinite(part)) throw new TypeError('no JSON number');
      return part;
    });
  } catch {
    // A circle, a BigInt, NaN.
  }
  if (written === undefined) throw invalid(`${what} cannot be written as JSON`);
  return written;
}

// What a game gets where no library is in the build: it plays on, with the defaults of its flags and without offers.
import { CastlineError } from './error';
import { EventStream } from './stream';
import type { Client, Options } from './types';
import { invalid } from './words';

export function inertClient(options: Options, why: string): Client {
  if (typeof options.url !== 'string' || typeof options.build !== 'string') throw invalid('url and build must be strings');
  if (options.log) options.log('error', why);
  else console.warn(`castline: ${why}`);
  let closed = false;
  const notSent = () => Promise.reject(closed ? new CastlineError('CLOSED', 'the client was closed') : new CastlineError('NOT_SENT', why));
  const nothing = () => undefined;
  const stream = new EventStream(nothing);
  stream.end();
  return {
    get state() { return closed ? 'closed' as const : 'failed' as const; },
    get serverTime() { return Date.now(); },
    flags: {
      bool: (_key, defaultValue) => defaultValue,
      string: (_key, defaultValue) => defaultValue,
      int: (_key, defaultValue) => defaultValue,
      float: (_key, defaultValue) => defaultValue,
      json: (_key, defaultValue) => defaultValue,
      variant: nothing,
      reason: () => 'DEFAULT',
      apply: nothing,
      setAttributes: nothing,
    },
    offers: { ready: () => Promise.resolve(null), notReady: nothing, result: nothing },
    rooms: { join: notSent, leave: nothing, send: nothing },
    bets: { place: notSent },
    on: () => nothing,
    events: () => stream.loop(),
    request: notSent,
    send: nothing,
    track: nothing,
    reconnect: nothing,
    close: () => { closed = true; return Promise.resolve(); },
    lifecycle: nothing,
  };
}

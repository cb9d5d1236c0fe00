// The other half of `bindings/wasm/src/told.rs`: an event as it crosses, made into the object that the game gets.

import type { CastlineEvent, Offer } from './types.js';

/** What the module hands over. The first four are answers: somebody waits for them, and they are not in the stream. */
export type Told =
  | { kind: 'offer'; offer: Offer | null }
  | { kind: 'reply'; request: number; event: CastlineEvent & { kind: 'requestCompleted' | 'requestFailed' } }
  | { kind: 'event'; event: CastlineEvent };

type Texts = [string, string, string, string, string, string];
type Numbers = [number, number, number, number];

const parse = (json: string): unknown => (json ? JSON.parse(json) : undefined);

export function told(kind: number, t: Texts, n: Numbers): Told | undefined {
  switch (kind) {
    case 5: {
      const offer: Offer = {
        offerId: t[0],
        campaignId: t[1],
        title: t[2],
        discount: n[0],
        imageUrl: t[3],
        placement: t[4],
        expiresAt: n[1],
      };
      if (t[5]) offer.data = parse(t[5]);
      return { kind: 'offer', offer };
    }
    case 6:
      return { kind: 'offer', offer: null };
    case 9:
      return {
        kind: 'reply',
        request: n[0],
        event: { kind: 'requestCompleted', idempotencyKey: t[0], type: t[1], payload: parse(t[2]) },
      };
    case 10:
      return {
        kind: 'reply',
        request: n[0],
        event: { kind: 'requestFailed', idempotencyKey: t[0], code: t[1], message: t[2], retryAfterMs: n[1] },
      };
  }
  const event = inStream(kind, t, n);
  return event && { kind: 'event', event: event as CastlineEvent };
}

/** The words come from the core's own tables, which are those of the types. */
function inStream(kind: number, t: Texts, n: Numbers): object | undefined {
  switch (kind) {
    case 1:
      return { kind: 'stateChanged', state: t[0], previous: t[1], cause: t[2], code: n[0], retryInMs: n[1] };
    case 3:
      return { kind: 'sessionLost' };
    case 4:
      return { kind: 'dropped', what: t[0], count: n[0] };
    case 7:
      return { kind: 'offerExpired', offerId: t[0] };
    case 8:
      return { kind: 'flagsChanged', version: t[0] };
    case 11:
      return {
        kind: 'roomChanged',
        gameId: t[0],
        change: t[1],
        userId: t[2] || undefined,
        playerCount: n[0],
        code: t[3] || undefined,
      };
    case 12:
      return { kind: 'roomMessage', gameId: t[0], from: t[1], event: t[2], data: parse(t[3]) };
    case 13:
      return { kind: 'roomGap', gameId: t[0], missing: n[0] };
    case 14:
      return {
        kind: 'betSettled',
        idempotencyKey: t[0],
        outcome: t[1],
        payout: n[0],
        balance: n[1],
        roll: n[2],
        sides: n[3],
        serverSeed: t[2],
        serverSeedHash: t[3],
        clientSeed: t[4],
      };
    case 15:
      return { kind: 'message', channel: t[0], type: t[1], payload: parse(t[2]) };
  }
  return undefined;
}

// The other half of `bindings/wasm/src/told.rs`: an event as it crosses, made into the object that the game gets.

import type { CastlineEvent, Offer } from './types.js';

export type Reply = CastlineEvent & { kind: 'requestCompleted' | 'requestFailed' };

/** What the module hands over. The first four are answers: somebody waits for them, and they are not in the stream. */
export type Told =
  | { kind: 'offer'; offer: Offer | null }
  | { kind: 'reply'; request: number; event: Reply }
  | { kind: 'event'; event: CastlineEvent };

/**
 * By its number: the kind, and the name of each text and each number in the order in which they cross. `#`: a number; `=`: JSON, left out
 * where it is empty; `?`: undefined where it is empty. The words in them come from the core's own tables, which are those of the types.
 */
const FORMS = [
  ,
  'stateChanged state previous cause #code #retryInMs',
  ,
  'sessionLost',
  'dropped what #count',
  'offer offerId campaignId title imageUrl placement =data #discount #expiresAt',
  'noOffer',
  'offerExpired offerId',
  'flagsChanged version',
  'requestCompleted idempotencyKey type =payload #request',
  'requestFailed idempotencyKey code message #request #retryAfterMs',
  'roomChanged gameId change ?userId ?code #playerCount',
  'roomMessage gameId from event =data',
  'roomGap gameId #missing',
  'betSettled idempotencyKey outcome serverSeed serverSeedHash clientSeed #payout #balance #roll #sides',
  'message channel type =payload',
].map((form) => form?.split(' '));

export function told(number: number, texts: string[], numbers: number[]): Told | undefined {
  const form = FORMS[number];
  if (!form) return undefined;
  const event: Record<string, unknown> = {};
  let texted = 0;
  let numbered = 0;
  for (const name of form.slice(1)) {
    const mark = name[0] as string;
    const bare = name.slice(1);
    if (mark === '#') event[bare] = numbers[numbered++];
    else {
      const text = texts[texted++] as string;
      if (mark === '?') event[bare] = text || undefined;
      else if (mark !== '=') event[name] = text;
      else if (text) event[bare] = JSON.parse(text);
    }
  }
  if (number === 5 || number === 6) return { kind: 'offer', offer: number === 5 ? (event as unknown as Offer) : null };
  const kind = form[0];
  const { request, ...rest } = event;
  const whole = { kind, ...rest } as CastlineEvent;
  if (request === undefined) return { kind: 'event', event: whole };
  return { kind: 'reply', request: request as number, event: whole as Reply };
}

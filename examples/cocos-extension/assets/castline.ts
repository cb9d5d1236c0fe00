// What a game imports: `import { connectCocos } from 'db://castline/castline';`
export type {
  WasmSource, Options, LogLevel, Client, RequestOptions, Flags, Offers, BreakOptions, Rooms, Bets, Bet, Offer, Scalar,
  Channel, Outcome, Lifecycle, State, Cause, Reason, CastlineEvent, EventKind, EventOf,
} from './types';
export { CastlineError } from './error';
export { CastlineComponent } from './CastlineComponent';
export { connectCocos, useWebPackage } from './connect';
export type { NativeOptions, WebPackage } from './connect';

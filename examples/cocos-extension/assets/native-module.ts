// What the native plugin gives: the class CastlineNative (native/glue/plugin.cpp), with numbers for words and JSON texts for objects.

/** Empty texts mean the default. */
export interface NativeWish {
  url: string;
  build: string;
  playerId: string;
  token: string;
  dataDir: string;
  flagUpdates: number;
  logLevel: number;
  automatic: number;
}

/** Commands give a result (0 is OK); `request` and `betsPlace` a number, or a result below zero. */
export interface CastlineNative {
  connect(wish: NativeWish, listener: (kind: number, body: string) => void): number;
  state(): number;
  serverTime(): number;
  openBreaks(): number;
  setBudget(micros: number): void;
  close(): number;
  reconnect(): number;
  lifecycle(what: number): number;
  setToken(token: string): number;
  flagBool(key: string, otherwise: boolean): boolean;
  flagInt(key: string, otherwise: number): number;
  flagFloat(key: string, otherwise: number): number;
  flagString(key: string, otherwise: string): string;
  flagJson(key: string): string;
  flagVariant(key: string): string;
  flagReason(key: string): number;
  applyFlags(): number;
  setAttributes(json: string): number;
  offersReady(placement: string, context: string, leaseMs: number): number;
  offersNotReady(): number;
  offersResult(offerId: string, outcome: number): number;
  request(channel: number, type: string, payload: string, timeoutMs: number, key: string): number;
  send(channel: number, type: string, payload: string): number;
  track(name: string, props: string): number;
  roomsJoin(gameId: string): number;
  roomsLeave(gameId: string): number;
  roomsSend(gameId: string, event: string, data: string): number;
  betsPlace(gameId: string, amount: number, selection: string, seed: string, key: string): number;
}

export type NativePlugin = new () => CastlineNative;

/** `undefined` on web builds, and on a native build without the plugin. */
export function nativePlugin(): NativePlugin | undefined {
  return (globalThis as { CastlineNative?: NativePlugin }).CastlineNative;
}

/** What is used of Cocos Creator's engine, which only its own builds can resolve. */
declare module 'cc' {
  export const Game: { readonly EVENT_HIDE: string; readonly EVENT_SHOW: string };
  export const game: {
    on(event: string, listener: () => void): void;
    off(event: string, listener: () => void): void;
  };
}

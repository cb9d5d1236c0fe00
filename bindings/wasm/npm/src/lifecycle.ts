// The page's life, as the browser tells it. Without a page (Node.js, server-side rendering) nothing is told.

import type { Driver } from './driver.js';
import type { Lifecycle } from './types.js';

/** Watches until the returned function is called. */
export function watch(driver: Driver, tell: (what: Lifecycle) => void): () => void {
  const page = globalThis.document as Document | undefined;
  const view = globalThis.window as (Window & typeof globalThis) | undefined;
  if (!page || !view) return () => undefined;
  const seen = (): void => tell(page.visibilityState === 'hidden' ? 'background' : 'foreground');
  const away = (): void => driver.leave();
  const watched: [EventTarget, string, () => void][] = [
    [page, 'visibilitychange', seen],
    [page, 'freeze', away],
    [page, 'resume', seen],
    [view, 'pagehide', away],
    [view, 'pageshow', seen],
    [view, 'online', () => tell('network-changed')],
    [view, 'offline', () => tell('network-lost')],
  ];
  for (const [target, name, listener] of watched) target.addEventListener(name, listener);
  // What was so before anybody watched.
  if (view.navigator.onLine === false) tell('network-lost');
  if (page.visibilityState === 'hidden') tell('background');
  return () => {
    for (const [target, name, listener] of watched) target.removeEventListener(name, listener);
  };
}

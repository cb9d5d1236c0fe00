// Where the SDK remembers: the browser's storage, one that the game gives, or nothing. Each item is one small text.

import type { Options } from './types.js';

export interface Store {
  /** Whether it outlives the page. */
  readonly persistent: boolean;
  load(name: string): string | undefined;
  /** An empty text deletes. False: it was not kept. */
  save(name: string, text: string): boolean;
  release(): void;
}

const FORGETFUL: Store = { persistent: false, load: () => undefined, save: () => false, release: () => undefined };

/** Far above anything that is saved, and a fraction of what an origin may keep. */
const MAX_ITEM = 1 << 20;
/** A page that is being reloaded gives its lock back within this time. */
const LOCK_PATIENCE_MS = 250;

export async function openStore(options: Options, warn: (line: string) => void): Promise<Store> {
  const wanted = options.storage ?? 'local';
  if (wanted === 'memory') return FORGETFUL;
  let items: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
  // One origin may hold several games, each with its own server.
  const prefix = `castline:${options.url.replace(/\/+$/, '')}:`;
  let release = (): void => undefined;
  if (wanted === 'local') {
    try {
      items = globalThis.localStorage;
      items.getItem(prefix);
    } catch {
      warn('localStorage is denied; nothing will be remembered');
      return FORGETFUL;
    }
    const held = await lock(prefix);
    if (!held) {
      warn('another tab has this game open: this one remembers nothing and is a device of its own');
      return FORGETFUL;
    }
    release = held;
  } else {
    items = wanted;
  }
  return {
    persistent: true,
    load(name) {
      try {
        return items.getItem(prefix + name) ?? undefined;
      } catch {
        return undefined;
      }
    },
    save(name, text) {
      try {
        if (!text) items.removeItem(prefix + name);
        else if (text.length > MAX_ITEM) return false;
        else items.setItem(prefix + name, text);
        return true;
      } catch {
        // Full, or taken away meanwhile: the core tries again with the next change.
        return false;
      }
    },
    release,
  };
}

/** The right to be this install's one device; `undefined`: another tab has it. Where there are no locks nobody is asked. */
async function lock(name: string): Promise<(() => void) | undefined> {
  const free = (): void => undefined;
  const locks = globalThis.navigator?.locks;
  if (!locks) return free;
  return new Promise((resolve) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = (options: LockOptions): void => {
      locks
        .request(name, options, (lock) => {
          clearTimeout(timer);
          if (lock) return new Promise<void>((release) => resolve(release));
          // Somebody has it. Only then there is a hurry: a busy machine may take long to say that nobody has.
          const patience = new AbortController();
          timer = setTimeout(() => patience.abort(), LOCK_PATIENCE_MS);
          ask({ signal: patience.signal });
          return undefined;
        })
        // An opaque origin has no locks, but it has no storage either; whatever else is wrong must not cost the memory.
        .catch((error: { name?: string }) => resolve(error.name === 'AbortError' ? undefined : free));
    };
    ask({ ifAvailable: true });
  });
}

// What a game uses of Telegram beside its word on who plays: theme, size, touch. All of it may be missing.

export interface TelegramApp {
  readonly initData: string;
  readonly colorScheme?: 'light' | 'dark';
  ready?(): void;
  expand?(): void;
  disableVerticalSwipes?(): void;
  onEvent?(name: string, listener: () => void): void;
  isVersionAtLeast?(version: string): boolean;
  HapticFeedback?: {
    impactOccurred(style: 'light' | 'medium' | 'heavy'): void;
    notificationOccurred(type: 'success' | 'warning' | 'error'): void;
  };
}

const SCRIPT = 'https://telegram.org/js/telegram-web-app.js';

export const telegramApp = (): TelegramApp | undefined =>
  (globalThis as { Telegram?: { WebApp?: TelegramApp } }).Telegram?.WebApp;

/** Telegram opens a Mini App with its parameters behind the `#`, and keeps them for a reload. Elsewhere its script is not asked for. */
function launchedByTelegram(): boolean {
  if (location.hash.includes('tgWebApp')) return true;
  try {
    return sessionStorage.getItem('__telegram__initParams') !== null;
  } catch {
    return false;
  }
}

/** Telegram's object, where the page runs in Telegram. The lake does not wait for it. */
export async function loadTelegram(): Promise<TelegramApp | undefined> {
  if (!launchedByTelegram()) return undefined;
  await new Promise((done) => {
    const script = document.createElement('script');
    script.src = SCRIPT;
    script.onload = script.onerror = done;
    document.head.append(script);
  });
  const app = telegramApp();
  if (!app?.initData) return undefined;
  app.ready?.();
  app.expand?.();
  // A swipe down is for the fish; older apps can't be told so.
  if (app.isVersionAtLeast?.('7.7')) app.disableVerticalSwipes?.();
  return app;
}

/**
 * Light or dark, by the system's word or Telegram's; its colours come as `--tg-theme-*` by themselves. What it returns is called when
 * Telegram's object is there.
 */
export function followTheme(changed: (dark: boolean) => void): () => void {
  const system = matchMedia('(prefers-color-scheme: dark)');
  const tell = (): void => {
    const scheme = telegramApp()?.colorScheme;
    const dark = scheme ? scheme === 'dark' : system.matches;
    document.documentElement.dataset['theme'] = dark ? 'dark' : 'light';
    changed(dark);
  };
  system.addEventListener('change', tell);
  tell();
  return () => {
    telegramApp()?.onEvent?.('themeChanged', tell);
    tell();
  };
}

export function touch(kind: 'light' | 'medium' | 'heavy' | 'success' | 'error'): void {
  const app = telegramApp();
  if (!app?.isVersionAtLeast?.('6.1')) return;
  if (kind === 'success' || kind === 'error') app.HapticFeedback?.notificationOccurred(kind);
  else app.HapticFeedback?.impactOccurred(kind);
}

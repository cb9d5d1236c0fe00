// What the test host gives to stories, and how a story is told.
import type { CastlineEvent, Client, EventKind, EventOf } from '../../assets/types';

interface Host {
  url(): string;
  token(player: string): string;
  /** PUT to the server's operators' address. */
  put(path: string, body: string): void;
  print(text: string): void;
  done(): void;
  fail(why: string): void;
  /** For the script that comes after this one. */
  remember(text: string): void;
  memory(): string;
  /** The number of the frame, as text. */
  frame(): string;
  directory(): string;
  /** Keeps the thread busy for so many milliseconds. */
  spin(milliseconds: number): void;
  /** The script throws once into the plugin, and means it. */
  expectException(): void;
  background(): void;
  foreground(): void;
}

export const host = (globalThis as any).host as Host;

/** Ends with `host.done()`, unless something was not so. */
export function story(play: () => Promise<void>): void {
  play().then(() => host.done(), (error) => host.fail(`${error}\n${error?.stack ?? ''}`));
}

export function check(so: boolean, what: string): asserts so {
  if (!so) throw new Error(`not so: ${what}`);
}

export function same<T>(what: string, found: T, expected: T): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what} is ${a}, not ${b}`);
}

/** The error's code. */
export async function rejects(what: string, promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as { code: string }).code;
  }
  throw new Error(`${what} was not rejected`);
}

export function throws(what: string, call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return (error as { code: string }).code;
  }
  throw new Error(`${what} did not throw`);
}

/** The next event of that kind that fits. */
export function next<K extends EventKind>(client: Client, kind: K, fits: (event: EventOf<K>) => boolean = () => true): Promise<EventOf<K>> {
  return new Promise((resolve) => {
    const remove = client.on(kind, (event) => {
      if (!fits(event)) return;
      remove();
      resolve(event);
    });
  });
}

export async function online(client: Client): Promise<void> {
  if (client.state !== 'online') await next(client, 'stateChanged', ({ state }) => state === 'online');
}

export function putFlag(name: string, value: unknown, before: unknown): void {
  const flag = { variants: { control: before, treatment: value }, defaultVariant: 'control', rolloutBp: 10000 };
  host.put(`/admin/flags/${name}`, JSON.stringify(flag));
}

export function putOffer(id: string, offer: object): void {
  host.put(`/admin/offers/${id}`, JSON.stringify({ title: 'Starter pack', discount: 60, expiresInSeconds: 3600, ...offer }));
}

export type { CastlineEvent, Client };

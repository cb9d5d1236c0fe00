// What happened between game and Castline, for the debug drawer: the last lines only.

import type { Client, EventKind } from 'castline';

export interface Line {
  at: number;
  what: 'event' | 'call' | 'answer' | 'log';
  text: string;
}

const MOST = 200;
const KINDS: readonly EventKind[] = [
  'stateChanged', 'sessionLost', 'offerExpired', 'flagsChanged', 'dropped', 'requestCompleted', 'requestFailed', 'message', 'roomChanged', 'roomMessage', 'roomGap', 'betSettled',
];

export class Journal {
  readonly lines: Line[] = [];
  /** Why the connection stands as it does. */
  cause = 'none';
  private readonly listeners = new Set<() => void>();

  note(what: Line['what'], text: string): void {
    this.lines.push({ at: Date.now(), what, text });
    if (this.lines.length > MOST) this.lines.shift();
    for (const listener of this.listeners) listener();
  }

  follow(client: Client): void {
    for (const kind of KINDS) {
      client.on(kind, ({ kind: name, ...rest }) => this.note('event', `${name} ${JSON.stringify(rest)}`));
    }
    client.on('stateChanged', ({ cause, code }) => (this.cause = code ? `${cause} (${code})` : cause));
  }

  on(listener: () => void): void {
    this.listeners.add(listener);
  }
}

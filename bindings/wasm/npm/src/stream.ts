import type { CastlineEvent } from './types.js';

/** As many as the core's own queue. */
const MAX = 256;

/** The events from now on, for one `for await`. */
export class Stream implements AsyncIterableIterator<CastlineEvent> {
  readonly #buffer: CastlineEvent[] = [];
  readonly #waiting: ((result: IteratorResult<CastlineEvent>) => void)[] = [];
  #ended = false;
  #lost = 0;

  readonly #onEnd: (stream: Stream) => void;

  constructor(onEnd: (stream: Stream) => void) {
    this.#onEnd = onEnd;
  }

  push(event: CastlineEvent): void {
    const next = this.#waiting.shift();
    if (next) return next({ value: event, done: false });
    this.#buffer.push(event);
    if (this.#buffer.length > MAX) {
      const gone = this.#buffer.shift();
      // What it told of is not told by it any more.
      this.#lost += gone?.kind === 'dropped' && gone.what === 'events' ? gone.count : 1;
    }
  }

  /** What is buffered still comes. */
  end(): void {
    this.#ended = true;
    this.#onEnd(this);
    for (const next of this.#waiting.splice(0)) next({ value: undefined, done: true });
  }

  async next(): Promise<IteratorResult<CastlineEvent>> {
    if (this.#lost) {
      // The oldest were lost, so this comes before what is left.
      const count = this.#lost;
      this.#lost = 0;
      return { value: { kind: 'dropped', what: 'events', count }, done: false };
    }
    const value = this.#buffer.shift();
    if (value) return { value, done: false };
    if (this.#ended) return { value: undefined, done: true };
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async return(): Promise<IteratorResult<CastlineEvent>> {
    this.#buffer.length = this.#lost = 0;
    this.end();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

// Hands events to listeners and to `for await` loops.
import type { CastlineEvent, EventKind, EventOf } from './types';

/** What a loop that does not keep up may have waiting; beyond it the oldest goes. */
const WAITING = 256;

type Listener = (event: CastlineEvent) => void;

export class EventStream {
  private readonly listeners = new Map<EventKind, Set<Listener>>();
  private readonly loops = new Set<Loop>();
  private over = false;

  /** `report` hears what a listener threw. */
  constructor(private readonly report: (line: string) => void) {}

  on<K extends EventKind>(kind: K, listener: (event: EventOf<K>) => void): () => void {
    // Its own function, so that the same listener given twice is two.
    const entry: Listener = (event) => listener(event as EventOf<K>);
    let entries = this.listeners.get(kind);
    if (!entries) this.listeners.set(kind, entries = new Set());
    entries.add(entry);
    return () => { entries.delete(entry); };
  }

  emit(event: CastlineEvent): void {
    for (const listener of Array.from(this.listeners.get(event.kind) ?? [])) {
      try {
        listener(event);
      } catch (error) {
        this.report(`a listener for ${event.kind} threw: ${String(error)}`);
      }
    }
    for (const loop of Array.from(this.loops)) loop.push(event);
  }

  loop(): AsyncIterableIterator<CastlineEvent> {
    const loop: Loop = new Loop(() => this.loops.delete(loop));
    if (this.over) loop.end();
    else this.loops.add(loop);
    return loop;
  }

  end(): void {
    this.over = true;
    for (const loop of Array.from(this.loops)) loop.end();
    this.listeners.clear();
  }
}

type Step = IteratorResult<CastlineEvent, undefined>;

class Loop implements AsyncIterableIterator<CastlineEvent> {
  private readonly events: CastlineEvent[] = [];
  private readonly waiting: ((step: Step) => void)[] = [];
  private over = false;

  constructor(private readonly forget: () => void) {}

  [Symbol.asyncIterator](): this {
    return this;
  }

  push(event: CastlineEvent): void {
    const next = this.waiting.shift();
    if (next) return next({ value: event, done: false });
    if (this.events.length === WAITING) this.events.shift();
    this.events.push(event);
  }

  next(): Promise<Step> {
    const event = this.events.shift();
    if (event) return Promise.resolve({ value: event, done: false });
    if (this.over) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  return(): Promise<Step> {
    this.events.length = 0;
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }

  end(): void {
    this.over = true;
    this.forget();
    for (const next of this.waiting.splice(0)) next({ value: undefined, done: true });
  }
}

// A cable that can be cut, for the debug drawer: sockets die as they do in a lift, and requests fail. It measures round trips too.
// Installed before Castline connects, and only where the drawer is.

/** Nobody listens there. */
const NOWHERE = 'ws://127.0.0.1:9/';

export class Cable {
  cut = false;
  /** Of the last message that was answered, ms. */
  roundTrip: number | undefined;
  private readonly sockets = new Set<WebSocket>();

  install(): void {
    const { sockets } = this;
    const isCut = (): boolean => this.cut;
    const sent = new Map<string, number>();
    const answered = (text: unknown): void => {
      const re = typeof text === 'string' ? /"re":"([^"]{1,64})"/.exec(text)?.[1] : undefined;
      const at = re === undefined ? undefined : sent.get(re);
      if (re === undefined || at === undefined) return;
      sent.delete(re);
      this.roundTrip = performance.now() - at;
    };
    const Real = globalThis.WebSocket;
    globalThis.WebSocket = class extends Real {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(isCut() ? NOWHERE : url, protocols);
        sockets.add(this);
        this.addEventListener('close', () => sockets.delete(this));
        this.addEventListener('message', ({ data }: MessageEvent<unknown>) => answered(data));
      }

      override send(data: string | ArrayBufferLike | Blob | ArrayBufferView<ArrayBuffer>): void {
        const id = typeof data === 'string' ? /"id":"([^"]{1,64})"/.exec(data)?.[1] : undefined;
        if (id !== undefined && sent.size < 100) sent.set(id, performance.now());
        super.send(data as string);
      }
    };
    const realFetch = globalThis.fetch;
    globalThis.fetch = (input, init) => (this.cut ? Promise.reject(new TypeError('the network is cut')) : realFetch(input, init));
  }

  /** What is on the cable is lost. The page learns of it at once; the server when the browser's closing reaches it. */
  set(cut: boolean): void {
    this.cut = cut;
    if (!cut) return;
    for (const socket of [...this.sockets]) {
      this.sockets.delete(socket);
      const tell = socket.onclose;
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
      tell?.call(socket, new CloseEvent('close', { code: 1006, wasClean: false }));
    }
  }
}

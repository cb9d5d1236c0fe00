// A page's clocks and timers in the hands of a test, so that minutes take no time. Timers come late as a browser's do in a hidden tab: at
// the next full second, or minute. What is not simulated is the rest of the page: its socket and its fetches are real.

/** Runs in the page before any client starts: whoever wants the time asks for it anew. */
export function fakeClock() {
  const timers = new Map();
  const start = Date.now();
  let t = 0;
  let last = 0;
  Date.now = () => start + t;
  performance.now = () => t;
  window.setTimeout = (run, wait = 0) => {
    timers.set(++last, { at: t + Math.max(0, wait), run });
    return last;
  };
  window.clearTimeout = (id) => void timers.delete(id);
  const { port1, port2 } = new MessageChannel();
  /** A turn of the event loop, after which what was due has been done. */
  const turn = () =>
    new Promise((resolve) => {
      port1.onmessage = resolve;
      port2.postMessage(0);
    });

  /** What goes over the latest socket, in numbers: a test sees by them whether both ends have heard everything. */
  window.WebSocket = class extends WebSocket {
    constructor(...args) {
      super(...args);
      const traffic = (this.traffic = window.traffic = { sent: 0, received: 0 });
      this.addEventListener('message', () => traffic.received++);
    }
    send(text) {
      this.traffic.sent++;
      super.send(text);
    }
  };

  window.clock = {
    now: () => t,
    /** `align`: timers run at its multiples alone. */
    advance: async (ms, align = 1) => {
      const end = t + ms;
      for (;;) {
        await turn();
        const at = Math.min(...[...timers.values()].map((timer) => Math.ceil(Math.max(timer.at, t) / align) * align));
        if (at > end) break;
        t = at;
        const due = [...timers].filter(([, timer]) => timer.at <= t).sort((a, b) => a[1].at - b[1].at);
        for (const [id, { run }] of due) if (timers.delete(id)) run();
      }
      t = end;
    },
  };
}

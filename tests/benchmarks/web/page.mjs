// A page in a profile of its own, and what the browser tells of it.

/** Runs before everything else in each page. */
function prepare() {
  const state = { taken: 0, sum: 0, target: Infinity, reached: undefined, memory: undefined };
  window.bench = {
    links: {},
    state,
    take(payload) {
      state.sum += payload.coins;
      if (++state.taken === state.target) state.reached();
    },
    /** When so many more messages have come. */
    expect(count) {
      state.target = state.taken + count;
      window.bench.done = new Promise((resolve) => (state.reached = resolve));
    },
  };
  for (const name of ['instantiate', 'instantiateStreaming']) {
    const make = WebAssembly[name];
    WebAssembly[name] = async (...given) => {
      const made = await make.apply(WebAssembly, given);
      state.memory = (made.instance ?? made).exports.memory;
      return made;
    };
  }
}

export async function openPage(browser, site, { slower = 1, network, before } = {}) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error));
  await page.addInitScript(prepare);
  if (before) await page.addInitScript(before);
  await page.goto(site.url);
  const cdp = await context.newCDPSession(page);
  // CPU time of the main thread, not time on the wall: what other programs take of the processor meanwhile does not count.
  await cdp.send('Performance.enable', { timeDomain: 'threadTicks' });
  await cdp.send('HeapProfiler.enable');
  if (slower !== 1) await cdp.send('Emulation.setCPUThrottlingRate', { rate: slower });
  if (network) {
    await cdp.send('Network.enable');
    await cdp.send('Network.emulateNetworkConditions', { offline: false, ...network });
  }
  return {
    run: (work, argument) => page.evaluate(work, argument),
    /** Milliseconds that the main thread has worked so far: all of its tasks, and the scripts in them. */
    async spent() {
      const { metrics } = await cdp.send('Performance.getMetrics');
      const of = (name) => metrics.find((metric) => metric.name === name).value * 1_000;
      return { all: of('TaskDuration'), script: of('ScriptDuration') };
    },
    /** Bytes of JavaScript's heap that are in use. */
    async heap() {
      for (let times = 0; times < 2; times++) await cdp.send('HeapProfiler.collectGarbage');
      return (await cdp.send('Runtime.getHeapUsage')).usedSize;
    },
    async close() {
      await context.close();
      if (errors.length) throw errors[0];
    },
  };
}

/** What of the main thread's time `work` takes, milliseconds. */
export async function spentIn(page, work) {
  const before = await page.spent();
  await work();
  const after = await page.spent();
  return { all: after.all - before.all, script: after.script - before.script };
}

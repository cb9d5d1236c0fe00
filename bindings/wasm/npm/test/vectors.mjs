// Runs the shared vectors (`tests/vectors`) through the package's public face, in Node.js and in browsers: time, socket, HTTP and storage
// are simulated, the module is the real one. It replaces globals, so nothing else may run meanwhile.

/** One turn of the real event loop, after every microtask. A timer would take a millisecond or four. */
const turn = () =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });

class World {
  constructor(wallAtZero) {
    this.wallAtZero = wallAtZero;
    this.t = 0;
    this.timers = new Map();
    this.lastTimer = 0;
    this.sockets = [];
    this.requests = [];
    this.items = new Map();
    this.storage = {
      getItem: (name) => this.items.get(name) ?? null,
      setItem: (name, text) => void this.items.set(name, text),
      removeItem: (name) => void this.items.delete(name),
    };
  }

  get wall() {
    return this.wallAtZero + this.t;
  }

  /** Puts the simulation in the place of the browser; returns what puts it back. */
  install() {
    const world = this;
    const saved = {
      setTimeout: globalThis.setTimeout,
      clearTimeout: globalThis.clearTimeout,
      fetch: globalThis.fetch,
      WebSocket: globalThis.WebSocket,
    };
    const dateNow = Date.now;
    const ownNow = Object.getOwnPropertyDescriptor(performance, 'now');
    globalThis.setTimeout = (run, wait = 0) => {
      this.timers.set(++this.lastTimer, { at: this.t + wait, run });
      return this.lastTimer;
    };
    globalThis.clearTimeout = (id) => void this.timers.delete(id);
    globalThis.fetch = (url, options) =>
      new Promise((answer, fail) => this.requests.push({ path: new URL(url).pathname, options, answer, fail }));
    globalThis.WebSocket = class {
      constructor() {
        this.readyState = 0;
        this.bufferedAmount = 0;
        world.sockets.push(this);
      }
      send(text) {
        world.onSent?.(this, JSON.parse(text));
      }
      close() {
        this.readyState = 3;
      }
    };
    Date.now = () => this.wall;
    Object.defineProperty(performance, 'now', { value: () => this.t, configurable: true, writable: true });
    return () => {
      Object.assign(globalThis, saved);
      Date.now = dateNow;
      if (ownNow) Object.defineProperty(performance, 'now', ownNow);
      else delete performance.now;
    };
  }

  /** Everything that happens at this moment. */
  async settle() {
    for (let quiet = 0; quiet < 3; ) {
      await turn();
      quiet = this.runDue() ? 0 : quiet + 1;
    }
  }

  runDue() {
    const due = [...this.timers].filter(([, timer]) => timer.at <= this.t).sort((a, b) => a[1].at - b[1].at);
    for (const [id, timer] of due) {
      if (this.timers.delete(id)) timer.run();
    }
    return due.length > 0;
  }

  async advanceTo(t) {
    for (;;) {
      await this.settle();
      const next = Math.min(...[...this.timers.values()].map((timer) => timer.at));
      if (next > t) break;
      this.t = Math.max(this.t, next);
    }
    this.t = Math.max(this.t, t);
  }

  get socket() {
    return this.sockets.findLast((socket) => socket.readyState < 2);
  }

  receive(channel, type, payload, more = {}) {
    this.text(JSON.stringify({ channel, type, payload, timestamp: this.wall, ...more }));
  }

  text(data) {
    this.socket?.onmessage?.({ data });
  }

  open(player, session, resumed) {
    const { socket } = this;
    socket.readyState = 1;
    socket.onopen();
    this.receive('system', 'connected', { connectionId: 'c', serverTime: this.wall, heartbeatMs: 60_000 });
    this.receive('system', 'authenticated', { userId: player, sessionId: session, resumed, discarded: 0, flagsVersion: '', rooms: [] });
  }
}

const TOKEN = `e30.${btoa('{"sub":"p1","iat":1,"exp":301}')}.c2ln`;
const URL_ = 'https://live.example.com';

/** @returns failures as texts, and how many cases ran */
export async function run(lib, files) {
  const failures = [];
  let cases = 0;
  for (const [name, runner] of [['flags', flags], ['envelope', envelope], ['offers', offers]]) {
    const file = files[name];
    if (file.version !== 1 || !file.cases.length) throw new Error(`${name}.json: this runner reads version 1, with cases`);
    for (const one of file.cases) {
      cases++;
      const world = new World(file.wallAtZero ?? 1_763_660_000_000);
      const restore = world.install();
      try {
        const wrong = await runner(lib, world, one, file);
        if (wrong) failures.push(`${name}: ${one.name}: ${wrong}`);
      } catch (error) {
        failures.push(`${name}: ${one.name}: ${error.stack}`);
      } finally {
        restore();
      }
    }
  }
  return { failures, cases };
}

const show = (value) => JSON.stringify(value);

async function flags(lib, world, one) {
  const options = { url: URL_, build: '1.0.0', token: TOKEN, storage: world.storage, lifecycle: 'manual', log: () => {} };
  if (one.source !== 'session') {
    const cache = { player: 'p1', build: '1.0.0', etag: '', body: one.body, attributes: '' };
    world.items.set(`castline:${URL_}:boot`, show({ device: 'd', player: 'p1', flags: cache }));
  }
  const client = await lib.connect(options);
  await world.settle();
  const request = world.requests.find(({ path }) => path === '/flags');
  if (!request) return 'the flags were not asked for';
  if (one.source === 'session') request.answer(new Response(new TextEncoder().encode(one.body)));
  if (one.source === 'stale') request.fail(new TypeError('no network'));
  await world.settle();
  const wrong = one.error ? refused(client) : read(client, one);
  void client.close();
  await world.advanceTo(world.t + 2_000);
  return wrong;
}

function refused(client) {
  const got = [client.flags.json('f', 'default'), client.flags.reason('f'), client.flags.variant('f')];
  return show(got) === show(['default', 'DEFAULT', undefined]) ? undefined : `not refused: ${show(got)}`;
}

function read({ flags }, one) {
  for (const [name, { variant, reason }] of Object.entries(one.flags)) {
    const got = [flags.variant(name) ?? null, flags.reason(name)];
    if (show(got) !== show([variant, reason])) return `${name}: ${show(got)}`;
  }
  for (const { flag, get, default: or, expected } of one.reads ?? []) {
    const getter = { i64: 'int', f64: 'float' }[get] ?? get;
    let got = flags[getter](flag, getter === 'json' ? undefined : or);
    let want = expected;
    if (getter === 'json') {
      // There it is text; here it is what the text says.
      got = got === undefined ? or : show(got);
      want = expected === or ? or : show(JSON.parse(expected));
    }
    // A double that is not exact in the file either, and the sign of nought.
    const same = got === want || (typeof want === 'number' && got === Number(want)) || show(got) === show(want);
    if (!same) return `${get} ${flag}: ${show(got)}, not ${show(want)}`;
  }
  return undefined;
}

async function envelope(lib, world, one) {
  const lines = [];
  const log = (level, line) => lines.push(line);
  const client = await lib.connect({ url: URL_, build: '1.0.0', token: TOKEN, storage: 'memory', lifecycle: 'manual', log });
  const got = [];
  client.on('message', (event) => got.push(event));
  await world.settle();
  world.open('p1', 's', false);
  await world.settle();
  world.text(one.text);
  await world.settle();
  let wrong;
  const said = lines.some((line) => line.startsWith('ignored what the server sent'));
  const ended = client.state !== 'online';
  if (one.error) {
    // One of more characters than the bound is refused before it is read.
    if (!said && !(one.error === 'tooLarge' && ended)) wrong = `taken: ${show(got)}`;
  } else if (said) {
    wrong = lines.join('; ');
  } else if (one.expected.channel !== 'system' && one.expected.re === null && (one.expected.seq ?? 1) === 1) {
    const { channel, type, payload } = one.expected;
    const want = [{ kind: 'message', channel, type, payload: JSON.parse(payload) }];
    if (show(got) !== show(want)) wrong = `${show(got)}, not ${show(want)}`;
  }
  void client.close();
  await world.advanceTo(world.t + 2_000);
  return wrong;
}

async function offers(lib, world, one, { player, token }) {
  let got;
  const asked = [];
  const clear = () => (got = { told: [], sent: [], http: [] });
  clear();
  let processes = 0;
  let client;
  const begin = async () => {
    client = await lib.connect({ url: URL_, build: '1.0.0', token, storage: world.storage, lifecycle: 'manual', log: () => {} });
    client.on('offerExpired', ({ offerId }) => got.told.push({ event: 'offerExpired', offerId }));
    await world.settle();
  };
  world.onSent = (socket, { channel, type, id }) => {
    const reply = (kind, payload) => queueMicrotask(() => world.receive(channel, kind, payload, { re: id }));
    if (type === 'ping') reply('pong', { serverTime: world.wall });
    if (type === 'events') reply('accepted', { count: 1 });
    if (type === 'ready_for_offer') asked.push(id);
    if (channel === 'offers') got.sent.push(type);
  };
  const act = {
    connect: (step) => world.open(player, `s${processes}`, step.resumed ?? false),
    disconnect: ({ code }) => {
      const { socket } = world;
      socket.readyState = 3;
      socket.onclose({ code });
    },
    ready: ({ placement, leaseMs }) => {
      void client.offers.ready(placement, { leaseMs }).then((offer) => {
        const { offerId } = offer ?? {};
        got.told.push(offer ? { event: 'offerReady', offerId, placement: offer.placement } : { event: 'noOffer', placement });
      });
    },
    notReady: () => client.offers.notReady(),
    result: ({ offerId, outcome }) => client.offers.result(offerId, outcome),
    lease: ({ pending, to }) => world.receive('offers', 'lease', { pending }, { re: to === 'first' ? asked[0] : asked.at(-1) }),
    refuse: ({ code }) => world.receive('system', 'error', { code, message: 'refused' }, { re: asked.at(-1) }),
    offer: ({ offerId, seq, expiresAt, expiresIn = 0 }) => world.receive('offers', 'new_offer', { offerId, expiresAt, expiresIn }, { seq }),
    claimReply: ({ status, offers: list = [] }) =>
      world.requests.findLast(({ path }) => path === '/offers/claim').answer(new Response(show({ offers: list }), { status })),
    wait: () => {},
    restart: async () => {
      // Nothing of the old process is heard of again, and its end is not told to anybody.
      world.timers.clear();
      world.sockets.length = 0;
      const items = new Map(world.items);
      const died = client;
      world.storage = { ...world.storage, setItem: (name, text) => void world.items.set(name, text) };
      void died.close();
      await world.settle();
      world.items = items;
      world.timers.clear();
      clear();
      processes++;
      await begin();
    },
    close: () => void client.close(),
  };
  await begin();
  let seen = 0;
  for (const [number, step] of one.steps.entries()) {
    await world.advanceTo(step.at);
    await act[step.do](step);
    await world.settle();
    const claims = world.requests.filter(({ path }) => path === '/offers/claim').map(({ path }) => path);
    got.http = claims.slice(seen);
    seen = claims.length;
    const same =
      show(got.told) === show(step.expect) &&
      (!step.sent || show(got.sent) === show(step.sent)) &&
      (!step.http || show(got.http) === show(step.http));
    if (!same) return `step ${number}: ${show(step)}\n  got ${show(got)}`;
    clear();
  }
  void client.close();
  await world.advanceTo(world.t + 2_000);
  return undefined;
}

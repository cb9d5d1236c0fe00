// What a page of the tests loads: the package, within reach of the tests.

import * as castline from '/dist/index.js';
import { fakeClock } from './clock.mjs';

// What nobody caught, for a browser whose driver does not tell of it.
window.thrown = [];
window.addEventListener('error', ({ error, message }) => window.thrown.push(error?.stack ?? message));
window.addEventListener('unhandledrejection', ({ reason }) => window.thrown.push(reason?.stack ?? `${reason}`));
// Time is the test's, where the address says so.
if (location.hash === '#clock') fakeClock();

window.castline = castline;
// What happened since the start counts too: between two calls of a test the page goes on.
window.next = (client, kind, want = () => true) =>
  new Promise((resolve) => {
    const told = window.told.get(client)?.find((event) => event.kind === kind && want(event));
    if (told) return resolve(told);
    const stop = client.on(kind, (event) => {
      if (!want(event)) return;
      stop();
      resolve(event);
    });
  });
window.told = new WeakMap();
window.logs = [];
window.start = async ({ connect = castline.connect, ...options }) => {
  const log = (level, line) => window.logs.push(`${level} ${line}`);
  const client = await connect({ build: '1.0.0', log, ...options });
  const told = [];
  window.told.set(client, told);
  for (const kind of ['stateChanged', 'flagsChanged']) client.on(kind, (event) => told.push(event));
  return (window.client = client);
};
/** A client of a player; its provider asks the real server. */
window.play = (url, playerId, options = {}) => {
  const token = async () => {
    const response = await fetch(`${options.url ?? url}/auth/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ playerId }),
    });
    return (await response.json()).token;
  };
  return window.start({ url, token, ...options });
};
window.reaches = async (state) => {
  const { client } = window;
  while (client.state !== state) {
    await new Promise((resolve) => {
      const stop = client.on('stateChanged', () => (stop(), resolve()));
    });
  }
};
window.ready = true;

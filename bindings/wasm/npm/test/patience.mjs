// How long a test waits, and what it says when that was in vain: what was awaited, not only in which test. The bounds are far above what a busy
// machine needs; none of them is a claim about speed.

import { test as nodeTest } from 'node:test';

export const PATIENCE_MS = 45_000;

/** Each has its own bound too, so that one is named that hangs between two waits. */
export const test = (name, run) => nodeTest(name, { timeout: 4 * PATIENCE_MS }, run);

/** `promise`, or an error that names what did not come; `more()` may add what is known of it. */
export async function within(what, promise, more, patience = PATIENCE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(async () => {
      const known = await Promise.race([more?.(), new Promise((resolve) => setTimeout(resolve, 2_000))]).catch((error) => `${error}`);
      reject(new Error(`waited ${patience / 1_000} s for ${what}${known ? `: ${JSON.stringify(known)}` : ''}`));
    }, patience);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks until the answer is true, and gives it. */
export function until(what, so, patience) {
  let over = false;
  let last;
  const ask = async () => {
    for (;;) {
      last = await so();
      if (last || over) return last;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  return within(what, ask(), () => last, patience).finally(() => (over = true));
}

/** A client's next event of a kind. */
export function next(client, kind, want = () => true) {
  const seen = [];
  const told = new Promise((resolve) => {
    const stop = client.on(kind, (event) => {
      seen.push(event);
      if (!want(event)) return;
      stop();
      resolve(event);
    });
  });
  return within(`${kind} by ${want}`, told, () => ({ state: client.state, seen: seen.slice(-5) }));
}

/** The client's next change to a state. */
export const reaches = (client, wanted) => next(client, 'stateChanged', ({ state }) => state === wanted);

/** Nothing, once the client is in a state; perhaps it is already. */
export async function is(client, wanted) {
  if (client.state !== wanted) await reaches(client, wanted);
}

/** A page whose calls end, with what the page knows of its client. */
export function bounded(page) {
  const evaluate = page.evaluate.bind(page);
  const known = () => evaluate(() => ({ state: window.client?.state, visibility: document.visibilityState, logs: window.logs?.slice(-10) }));
  page.evaluate = (run, ...args) => within(`the page to run ${told(run)} with ${told(JSON.stringify(args))}`, evaluate(run, ...args), known);
  return page;
}

const told = (text) => `${text}`.replace(/\s+/g, ' ').slice(0, 300);

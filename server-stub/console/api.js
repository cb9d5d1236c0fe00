// The admin API: requests with the admin key, and what goes wrong with them.

const KEY = "castline-admin-key";
const ACTOR = "castline-actor";

/** Why a request was not done. `field` names the member that is wrong. */
export class Problem extends Error {
  constructor(status, detail, field, retryAfter) {
    super(detail);
    Object.assign(this, { status, field, retryAfter });
  }
}

let key = sessionStorage.getItem(KEY);
let askForKey = async () => { throw new Problem(401, "no key"); };

export const hasKey = () => key !== null;
export const actor = () => sessionStorage.getItem(ACTOR) ?? "";

/** The key lives in this tab: in its memory, or in its session storage, which ends with the tab. It is sent in a header alone. */
export function keepKey(given, name, remember) {
  key = given;
  sessionStorage.removeItem(KEY);
  sessionStorage.removeItem(ACTOR);
  if (remember) sessionStorage.setItem(KEY, given);
  if (name) sessionStorage.setItem(ACTOR, name);
}

export function forgetKey() {
  key = null;
  sessionStorage.removeItem(KEY);
}

/** `ask(problem)` shows the form for the key and resolves when there is one to try. */
export function onKeyNeeded(ask) {
  askForKey = ask;
}

async function send(method, path, body, signal, withKey) {
  const headers = { authorization: `Bearer ${withKey}`, accept: "application/json" };
  if (actor()) headers["castline-actor"] = actor();
  if (body !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store", credentials: "omit", redirect: "error", referrerPolicy: "no-referrer",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "The server does not answer. It may be restarting; nothing was lost here, try again.");
  }
  const text = await response.text();
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch { /* Not ours: the status says enough. */ }
  if (response.ok) return answer;
  const wait = Number(response.headers.get("retry-after")) || undefined;
  throw new Problem(response.status, answer?.detail ?? `The server answered ${response.status}.`, answer?.field, wait);
}

/** Whether a key opens the door; throws why not. */
export const tryKey = (given) => send("GET", "admin/flags", undefined, undefined, given);

/** A request. Without a key, or with one that is not taken any more, the key is asked for and the request made then. */
export async function call(method, path, body, signal) {
  for (;;) {
    if (key === null) await askForKey(null);
    const tried = key;
    try {
      return await send(method, `admin/${path}`, body, signal, tried);
    } catch (problem) {
      if (!(problem instanceof Problem) || problem.status !== 401) throw problem;
      // Another request may have asked for a key meanwhile; that one is tried first.
      if (key === tried) {
        forgetKey();
        await askForKey(problem);
      }
    }
  }
}

export const get = (path, signal) => call("GET", path, undefined, signal);
export const put = (path, body) => call("PUT", path, body);
export const post = (path, body) => call("POST", path, body);
export const del = (path) => call("DELETE", path);

/** A name as a step of a path. */
export const step = (name) => encodeURIComponent(name);

// A real castline-server for the tests, on free ports, and what an operator does with it.

import { execFile, spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { within } from './patience.mjs';

const PROGRAM = process.env.CASTLINE_SERVER ?? new URL('../../../../target/debug/castline-server', import.meta.url).pathname;

/** Starts one; `stop` ends it and removes its data. */
export async function startServer({ port = 0, env = {} } = {}) {
  const data = mkdtempSync(join(tmpdir(), 'castline-npm-'));
  const listen = ['--dev', '--data', data, '--listen', `127.0.0.1:${port}`, '--admin-listen', '127.0.0.1:0', '--threads', '1'];
  const child = spawn(PROGRAM, listen, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const lines = [];
  const found = {};
  const ready = new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new Error(`${PROGRAM}: ${error.message}; cargo build -p castline-server`)));
    child.once('exit', (code) => reject(new Error(`castline-server ended with ${code}\n${lines.join('\n')}`)));
    createInterface({ input: child.stderr }).on('line', (line) => lines.push(line));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [name, address] = line.split(/\s+/);
      found[name] = address;
      // The last of its lines.
      if (name === 'admin') resolve();
    });
  });
  await within('castline-server to say where it is', ready, () => lines);
  const url = found.players.replace(/^ws/, 'http').replace(/\/ws$/, '');
  const admin = found.operators;
  const key = readFileSync(join(data, 'admin.key'), 'utf8').trim();
  const operate = async (method, path, body) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const answer = fetch(admin + path, { method, headers, body: body && JSON.stringify(body) });
    const response = await within(`the answer to ${method} ${path}`, answer);
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : undefined;
  };
  return {
    url,
    operate,
    lines,
    token: async (playerId) => {
      const asked = fetch(`${url}/auth/token`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ playerId }),
      });
      const response = await within(`a token for ${playerId}`, asked);
      return (await response.json()).token;
    },
    offer: (id, more = {}) => operate('PUT', `/admin/offers/${id}`, { title: 'Starter pack', discount: 60, expiresInSeconds: 3600, ...more }),
    flag: (name, value) => operate('PUT', `/admin/flags/${name}`, { variants: { control: value }, defaultVariant: 'control' }),
    /** The names of a player's analytics events, as they lie in the database. */
    events: async (player) => {
      const read = 'import json, sqlite3, sys; print(json.dumps([name for (name,) in sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True).execute("SELECT name FROM analytics_events WHERE user_id = ? ORDER BY happened_at", [sys.argv[2]])]))';
      return JSON.parse((await promisify(execFile)('python3', ['-c', read, join(data, 'castline.db'), player])).stdout);
    },
    stop: async () => {
      child.kill('SIGTERM');
      await within('castline-server to end', exited, () => lines.slice(-10));
      rmSync(data, { recursive: true, force: true });
    },
  };
}

/** A cable between a browser and a server, that can be cut: what is on it is lost, and nobody answers any more. */
export async function cable(to) {
  const { hostname, port } = new URL(to);
  const ends = new Set();
  let whole = true;
  const listener = createServer((near) => {
    if (!whole) return near.destroy();
    const far = connect(Number(port), hostname);
    for (const end of [near, far]) {
      ends.add(end);
      end.on('error', () => {}).on('close', () => {
        ends.delete(end);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far).pipe(near);
  });
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    whole = false;
    for (const end of [...ends]) end.destroy();
  };
  return {
    url: `http://127.0.0.1:${listener.address().port}`,
    cut,
    mend: () => void (whole = true),
    stop: () => new Promise((resolve) => (listener.close(resolve), cut())),
  };
}

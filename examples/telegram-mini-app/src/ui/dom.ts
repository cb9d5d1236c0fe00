// The elements of index.html, each at most once asked for in vain: a missing one is a mistake of ours.

export function get<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no #${id}`);
  return found as T;
}

/** What is said to those who don't see it. `now` interrupts. */
export function say(text: string, now = false): void {
  get(now ? 'say-now' : 'say').textContent = text;
}

export function clock(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1_000));
  const [h, m, s] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (n: number): string => `${n}`.padStart(2, '0');
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export const calm = matchMedia('(prefers-reduced-motion: reduce)');

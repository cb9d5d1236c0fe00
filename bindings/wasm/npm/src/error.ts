/** `code`: the protocol's, the SDK's (`NOT_SENT`, …); or of the call: `INVALID_ARGUMENT`, `CLOSED`, `FULL`, `TOO_LARGE`. */
export class CastlineError extends Error {
  readonly code: string;
  readonly retryAfterMs: number;

  constructor(code: string, message: string, retryAfterMs = 0) {
    super(message);
    this.name = 'CastlineError';
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

export const invalid = (message: string): CastlineError => new CastlineError('INVALID_ARGUMENT', message);

/** What the module says of a call that it refused: code and message. */
export function refusal([code, message]: string[]): CastlineError {
  // The core's names are Rust's; an option has the same name with another case here.
  return new CastlineError(code as string, (message as string).replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()));
}

export function text(value: unknown, name: string): string {
  if (typeof value !== 'string') throw invalid(`${name} must be a string`);
  return value;
}

export function number(value: unknown, name: string): number {
  if (typeof value !== 'number') throw invalid(`${name} must be a number`);
  return value;
}

/** A call's last argument, which may be left out but not be anything. */
export function fields<T extends object>(options: T | undefined): Partial<T> {
  if (options === undefined) return {};
  if (typeof options !== 'object' || options === null) throw invalid('options must be an object');
  return options;
}

export function optionalText(value: unknown, name: string): string | undefined {
  return value === undefined ? undefined : text(value, name);
}

/** The largest message; the core counts bytes exactly, this only keeps a megabyte from being copied first. */
const MAX = 16_384;

/** JSON text of what JSON can hold: no NaN, no BigInt, no cycle, no bare function. */
export function json(value: unknown, name: string): string {
  let out: string | undefined;
  try {
    out = JSON.stringify(value, (_, part: unknown) => {
      if (typeof part === 'number' && !Number.isFinite(part)) throw new TypeError(`${part} is no JSON number`);
      return part;
    });
  } catch (error) {
    throw invalid(`${name} must be JSON: ${(error as Error).message}`);
  }
  if (out === undefined) throw invalid(`${name} must be JSON: it is ${typeof value}`);
  if (out.length > MAX) throw new CastlineError('TOO_LARGE', `${name} has more than ${MAX} bytes`);
  return out;
}

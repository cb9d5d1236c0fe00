/** `code`: the protocol's, the SDK's (`NOT_SENT`, …); or of the call: `INVALID_ARGUMENT`, `CLOSED`, `FULL`, `TOO_LARGE`. */
export class CastlineError extends Error {
  readonly code: string;
  readonly retryAfterMs: number;

  constructor(code: string, message: string, retryAfterMs = 0) {
    super(message);
    // For a target that makes classes of functions, where Error forgets whose constructor it is in.
    Object.setPrototypeOf(this, CastlineError.prototype);
    this.name = 'CastlineError';
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

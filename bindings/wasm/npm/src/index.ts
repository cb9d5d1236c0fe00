// The package's main entry: `init`, `connect`, and the types.

export { connect, init } from './connect.js';
export { CastlineError } from './error.js';
export { version, wasmSha256 } from './provenance.js';
export type * from './types.js';

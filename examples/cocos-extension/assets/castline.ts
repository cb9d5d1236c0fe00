// What a game imports: `import { connectCocos } from 'db://castline/castline';`
export * from './types';
export { CastlineError } from './error';
export { CastlineComponent } from './CastlineComponent';
export { connectCocos, useWebPackage } from './connect';
export type { NativeOptions, WebPackage } from './connect';

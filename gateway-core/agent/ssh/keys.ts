import { randomBytes } from 'node:crypto';

/** A name that nobody has guessed: keys are how calls refer to what this process holds. */
export function newKey(prefix: 'ssh' | 'trf' | 'fwd' | 'lst'): string {
  return `${prefix}_${randomBytes(10).toString('hex')}`;
}

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { verifyLog } from '../audit/verify.js';
import type { VerifyReport } from '../contract/api.js';
import { ThroughlineError } from '../contract/errors.js';

/**
 * The audit log of a data directory, without its gateway and without its keys: the tree, every signature, the order
 * of every session's events. Recordings are sealed with keys that are not here; a running gateway checks those too.
 */
export function verifyDataDirectory(data: string): VerifyReport {
  const dir = join(data, 'audit');
  if (!existsSync(dir)) {
    throw new ThroughlineError('not-found', `there is no audit log in ${data}`, {
      action: 'give the data directory of a gateway with --data',
    });
  }
  return verifyLog({ dir });
}

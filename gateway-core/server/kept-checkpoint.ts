import type { Kysely } from 'kysely';
import { ThroughlineError } from '../contract/errors.js';
import type { StateSchema } from '../store/schema.js';

const key = 'checkpoint';

/** Entries that a checkpoint (C2SP tlog-checkpoint: origin, size, root) speaks of. */
function sizeOf(checkpoint: string): number {
  return Number(checkpoint.split('\n')[1] ?? 'NaN');
}

/**
 * The state database remembers the latest checkpoint, so that a log that was wiped or put back to an older copy is
 * noticed at the next start, also when it holds by itself. Throws `verification-failed`.
 */
export async function compareKeptCheckpoint(state: Kysely<StateSchema>, current: string): Promise<void> {
  const row = await state.selectFrom('meta').select('value').where('key', '=', key).executeTakeFirst();
  if (row === undefined || sizeOf(current) >= sizeOf(row.value)) return;
  throw new ThroughlineError(
    'verification-failed',
    `the audit log has ${sizeOf(current)} entries, but this gateway has signed one of ${sizeOf(row.value)}`,
    {
      action:
        'the log was rolled back or replaced: restore it, and find out who did it, before you start again',
    },
  );
}

export async function keepCheckpoint(state: Kysely<StateSchema>, checkpoint: string): Promise<void> {
  await state
    .insertInto('meta')
    .values({ key, value: checkpoint })
    .onConflict((conflict) => conflict.column('key').doUpdateSet({ value: checkpoint }))
    .execute();
}

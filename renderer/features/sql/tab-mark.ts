import type { SqlSession } from '../../../gateway-core/contract/bridge/sql.js';

/** What stands beside a tab's title: what runs or is open comes before what is only not saved. */
export function markOf(session: SqlSession | undefined, unsaved: boolean) {
  if (session?.state === 'running') return 'running';
  if (session !== undefined && session.state !== 'closed' && session.transaction !== 'idle')
    return 'transaction';
  if (session?.state === 'closed') return 'closed';
  return unsaved ? 'unsaved' : undefined;
}

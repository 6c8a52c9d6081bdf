import type { SessionView } from '../../../gateway-core/contract/api.js';
import { call, failureOf } from '../../bridge/index.js';
import { workbench } from '../../ui/workbench.js';

/** Asks for a reason, naming what ends, and ends it. A refusal says who could. */
export async function revokeSession(session: SessionView): Promise<void> {
  const who = session.chain.map((hop) => hop.name).join(' › ');
  const reason = await workbench().confirm({
    title: `Revoke the session on ${session.connection}`,
    text: `Ends 1 live session of ${who} at once. Its client gets a clear error, an open transaction is rolled back, and the reason goes into the audit log.`,
    button: 'Revoke',
    danger: true,
    reason: { label: 'Reason', required: true },
  });
  if (reason === undefined) return;
  try {
    const { ended } = await call('sessions.revoke', { id: session.id, reason });
    workbench().notify({
      level: 'success',
      title: `${ended.length === 1 ? 'Session' : `${ended.length} sessions`} revoked`,
      text: `${who} on ${session.connection}`,
    });
  } catch (cause) {
    const { message, action } = failureOf(cause);
    workbench().notify({
      level: 'error',
      title: 'Not revoked',
      text: action === undefined ? message : `${message}: ${action}`,
    });
  }
}

import type { Hono } from 'hono';
import { paths } from '../contract/api.js';
import { ThroughlineError } from '../contract/errors.js';
import type { SessionId } from '../contract/ids.js';
import { ReceiptRequest, type ReceiptResponse } from '../contract/local-record.js';
import { Budget } from './budget.js';
import { bodyOf } from './http-body.js';
import type { Permissions } from './permissions.js';
import type { Environment, GatewayRooms } from './rooms.js';

/** One request a second on the average; fifty sessions count as five. Each makes the log sign, and read. */
const asked = { most: 60, perSecond: 1 };
const sessionsPerPoint = 10;

/** `POST /v1/receipts` (contract/local-record.ts). */
export function addReceiptRoutes(
  app: Hono<Environment>,
  rooms: GatewayRooms,
  permissions: Permissions,
): void {
  const { sealer, recorder, now } = rooms;
  const budget = new Budget(asked);

  app.post(paths.receipts, async (context) => {
    const actor = context.get('actor');
    const { kept, sessions } = await bodyOf(context.req.raw, ReceiptRequest);
    if (!budget.spend(actor.signIn, 1 + sessions.length / sessionsPerPoint, now())) {
      throw new ThroughlineError('rate-limited', 'too many receipts were asked for', {
        action: 'wait a minute; one request names up to fifty sessions',
      });
    }
    await sealer.caughtUp();
    const own = actor.chain[0].id;
    const visible: SessionId[] = [];
    for (const id of new Set(sessions)) {
      const session = await sealer.session(id);
      // What one may not see does not exist for one.
      if (session === undefined || permissions.session(actor, 'session:view', session).kind !== 'allow')
        continue;
      visible.push(id);
      // A receipt holds the session's start and end as the log has them.
      if (session.principal !== own)
        await recorder.record({ kind: 'record.read', by: own, what: 'show', session: id });
    }
    return context.json((await sealer.receipts(kept, visible)) satisfies ReceiptResponse);
  });
}

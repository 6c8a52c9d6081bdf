import type { Hono } from 'hono';
import { paths, type SessionView } from '../../contract/api.js';
import type { Actor } from '../../contract/chain.js';
import { ThroughlineError } from '../../contract/errors.js';
import { isOver } from '../over.js';
import type { Permissions } from '../permissions.js';
import type { Environment, GatewayRooms } from '../rooms.js';

/**
 * Watching a session that runs. `viewOf` answers as if there were no such session where it may not be viewed, and
 * refuses where it may not be replayed: watching takes both, then and for as long as it goes on.
 */
export function addWatchRoutes(
  app: Hono<Environment>,
  rooms: GatewayRooms,
  permissions: Permissions,
  viewOf: (actor: Actor, id: string) => Promise<SessionView>,
): void {
  const { live, sealer, watches } = rooms;
  app.get(paths.watch(':id').replace('%3A', ':'), async (context) => {
    const actor = context.get('actor');
    const headers = { 'content-type': 'application/x-ndjson' };
    await sealer.caughtUp();
    const view = await viewOf(actor, context.req.param('id') ?? '');
    if (view.protocol !== 'ssh')
      throw new ThroughlineError(
        'invalid-request',
        `a session of ${view.protocol} has no terminal to watch`,
        {
          action: `see its statements as they run: throughline sessions show ${view.id}`,
        },
      );
    const session = live.get(view.id);
    if (session === undefined)
      throw new ThroughlineError('conflict', 'the session has ended already', {
        action: `see it from its beginning: throughline replay ${view.id}`,
      });
    // Its answer has no body: nobody would ever read or cancel it.
    if (context.req.method === 'HEAD') return new Response(null, { headers });
    const may = (action: 'session:view' | 'session:replay'): boolean =>
      permissions.session(actor, action, view).kind === 'allow';
    const stream = await watches.open({
      session,
      actor,
      refusal: (full) => {
        if (isOver(rooms, actor)) return 'signed-out';
        return !full || (may('session:view') && may('session:replay')) ? undefined : 'rights';
      },
      drop: context.env.drop,
    });
    return new Response(stream, { headers });
  });
}

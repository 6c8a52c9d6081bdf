import type { NodeTimeline } from '../contract/api.js';
import type { Actor } from '../contract/chain.js';
import { DelegationScope } from '../contract/delegation.js';
import { ThroughlineError } from '../contract/errors.js';
import type { Permissions } from './permissions.js';
import type { GatewayRooms } from './rooms.js';

const sessionsMax = 500;
const statementsMax = 20_000;
const delegationsMax = 500;

type Row = Awaited<ReturnType<GatewayRooms['identity']['delegations']['records']>>[number];

/**
 * Everything that was done below one node: a delegation, an observed agent, a program or a person. What one may not
 * see is not in it; reading what others did goes on record.
 * @throws ThroughlineError not-found
 */
export async function timelineOf(
  rooms: GatewayRooms,
  permissions: Permissions,
  actor: Actor,
  id: string,
): Promise<NodeTimeline> {
  const { sealer, recorder, identity } = rooms;
  const own = actor.chain[0].id;
  await sealer.caughtUp();
  const all = (await sealer.sessions({ of: id })).filter((session) =>
    ['session:view', 'session:replay'].every(
      (action) => permissions.session(actor, action as 'session:view', session).kind === 'allow',
    ),
  );
  const [alone] = await identity.delegations.records(id.startsWith('dlg_') ? [id] : []);
  if (all.length === 0 && alone?.principal !== own) {
    throw new ThroughlineError('not-found', `nothing is known of an agent ${id.slice(0, 64)}`, {
      action: 'list them: throughline agents, or throughline sessions',
    });
  }
  if (all.some(({ principal }) => principal !== own))
    await recorder.record({ kind: 'record.read', by: own, what: 'show', query: recorder.maskText(id) });
  const sessions = all.slice(0, sessionsMax).reverse();
  const statements: NodeTimeline['statements'] = [];
  for (const session of sessions) {
    if (statements.length >= statementsMax) break;
    const recorded = await sealer.recordedStatements(session.id);
    statements.push(...recorded.statements.map((each) => ({ ...each, session: session.id })));
  }
  statements.sort(
    (a, b) => a.startedAt.localeCompare(b.startedAt) || a.session.localeCompare(b.session) || a.seq - b.seq,
  );
  const ids = new Set(
    sessions.flatMap(({ chain }) => chain.map((hop) => hop.id)).filter((each) => each.startsWith('dlg_')),
  );
  if (alone !== undefined) ids.add(alone.id);
  const rows = await identity.delegations.records([...ids].slice(0, delegationsMax));
  return {
    id,
    delegations: rows.map((row) => recordOf(row, rooms.info().name)),
    sessions,
    statements: statements.slice(0, statementsMax),
    cut: all.length > sessionsMax || statements.length >= statementsMax || ids.size > delegationsMax,
  };
}

function recordOf(row: Row, issuer: string): NodeTimeline['delegations'][number] {
  const path = JSON.parse(row.path) as readonly string[];
  const parent = path.at(-2);
  return {
    id: row.id,
    ...(parent === undefined ? {} : { parent }),
    label: row.label,
    issuer,
    minted: row.minted === 'offline' ? 'offline' : 'online',
    scope: DelegationScope.parse(JSON.parse(row.scope)),
    depth: row.depth,
    trace: row.trace,
    ...(row.purpose === null ? {} : { purpose: row.purpose }),
    createdAt: new Date(row.created_at_ms).toISOString(),
    expiresAt: new Date(row.expires_at_ms).toISOString(),
    ...(row.ended_at_ms === null ? {} : { endedAt: new Date(row.ended_at_ms).toISOString() }),
    ...(row.end_cause === null ? {} : { endCause: row.end_cause }),
  };
}

import type { NodeTimeline, SessionView, StatementView } from './api.js';
import type { Chain } from './chain.js';
import type { StatementDecision } from './events.js';

/** RFC 8693 4.1: who acted last stands outermost. For readers that know it; what counts is the chain. */
export interface Act {
  readonly sub: string;
  readonly act?: Act;
}

/** The chain as RFC 8693 writes one: `sub` of the root, and who acts for it. The program at the socket is no actor. */
export function actOf(chain: Chain): { readonly sub: string; readonly act?: Act } {
  const [root, ...others] = chain;
  let act: Act | undefined;
  for (const hop of others) {
    if (hop.kind === 'process' && hop.assurance === 'observed') continue;
    act = { sub: hop.id, ...(act === undefined ? {} : { act }) };
  }
  return { sub: root.id, ...(act === undefined ? {} : { act }) };
}

/** OCSF Datastore Activity (https://schema.ocsf.io, class 6005): activity ids. */
const activities = { read: 1, query: 4, write: 5 } as const;
const classUid = 6005;
const done: ReadonlySet<StatementDecision> = new Set(['allowed', 'approved']);

/**
 * One statement as an OCSF event, with OCSF's delegation object for the delegation that it ran under and `act` beside
 * it. Masked as everything that is kept. `parent_uid` leads from one delegation to the next above.
 */
export function ocsfOf(
  timeline: Pick<NodeTimeline, 'delegations'>,
  session: SessionView,
  statement: StatementView,
  product: { readonly version: string },
): Record<string, unknown> {
  const leaf = session.chain.findLast((hop) => hop.id.startsWith('dlg_'));
  const program = session.chain.findLast((hop) => hop.kind === 'process' && hop.assurance === 'observed');
  const delegation = timeline.delegations.find(({ id }) => id === leaf?.id);
  const activity = /^(insert|update|delete|merge|copy from|truncate)/i.test(statement.command)
    ? activities.write
    : activities.query;
  const ok = done.has(statement.decision) && statement.error === undefined;
  const root = session.chain[0];
  return {
    metadata: { version: '1.6.0', product: { name: 'Throughline', vendor_name: 'Throughline', ...product } },
    category_uid: 6,
    class_uid: classUid,
    activity_id: activity,
    type_uid: classUid * 100 + activity,
    severity_id: done.has(statement.decision) ? 1 : 3,
    time: Date.parse(statement.startedAt),
    duration: Math.round(statement.durationMs),
    status_id: ok ? 1 : 2,
    ...(statement.error === undefined ? {} : { status_detail: statement.error }),
    actor: {
      user: { uid: root.id, name: root.name, type_id: root.kind === 'person' ? 1 : 3 },
      session: { uid: session.id },
      ...(program === undefined ? {} : { process: { name: program.name, uid: program.id } }),
      authorizations: [
        {
          decision: statement.decision,
          policy: { uid: statement.policyVersion, name: statement.policy.join(', ') },
        },
      ],
    },
    src_endpoint: { name: session.via },
    database: { name: session.connection, type_id: 1 },
    query_info: { query_string: statement.text, uid: `${session.id}/${statement.seq}` },
    ...(delegation === undefined
      ? {}
      : {
          delegation: {
            uid: delegation.id,
            ...(delegation.parent === undefined ? {} : { parent_uid: delegation.parent }),
            created_time: Date.parse(delegation.createdAt),
            expiration_time: Date.parse(delegation.expiresAt),
            issuer_uid: delegation.issuer,
            scopes: [
              ...(delegation.scope.actions ?? []),
              ...(delegation.scope.connections ?? []).map((name) => `connection:${name}`),
            ],
          },
        }),
    unmapped: { act: actOf(session.chain), chain: session.chain },
  };
}

import { canonicalJson } from '../../audit/canonical.js';
import type { SessionView } from '../../contract/api.js';
import type { AuditEvent } from '../../contract/events.js';
import type { BundleManifest, EvidenceSubject } from '../../contract/evidence.js';

export type EventOf<K extends AuditEvent['kind']> = Extract<AuditEvent, { kind: K }>;
/** What retention has removed of a recording before the export. */
export type Deleted = BundleManifest['deleted'][number]['what'];

/** What the events of one session add up to. */
export interface SessionSums {
  statements: number;
  /** Results whose bytes have the hash that was logged. */
  results: number;
  contentBytes: number;
  /** Bytes that no outcome vouches for: their statements had none yet, or it is not in the bundle. */
  unboundBytes: number;
  readonly policyVersions: Set<string>;
  started: EventOf<'session.started'> | undefined;
  ended: EventOf<'session.ended'> | undefined;
  /** In the log's order. */
  readonly compared: EventOf<'session.compared'>[];
}

export const emptySums = (): SessionSums => ({
  statements: 0,
  results: 0,
  contentBytes: 0,
  unboundBytes: 0,
  policyVersions: new Set(),
  started: undefined,
  ended: undefined,
  compared: [],
});

interface Difference {
  readonly code: 'session-incomplete' | 'session-differs';
  readonly message: string;
}

/**
 * What the manifest says of a session and its events do not. The list was made a moment before the events were read, so
 * a session that it calls live may have gone on meanwhile.
 */
export function differences(
  view: SessionView,
  sums: SessionSums,
  deleted: Deleted | undefined,
): readonly Difference[] {
  if (deleted === 'whole') return [];
  const found: Difference[] = [];
  const differs = (what: string): void => {
    found.push({
      code: 'session-differs',
      message: `manifest.json and its events say different things: ${what}`,
    });
  };
  const { started, ended, statements } = sums;
  if (started === undefined && deleted === undefined)
    found.push({ code: 'session-incomplete', message: 'its start is not there' });
  if (started !== undefined) for (const what of startDifferences(view, started)) differs(what);
  if (view.state === 'ended') {
    if (ended === undefined) found.push({ code: 'session-incomplete', message: 'its end is not there' });
    else if (ended.at !== view.endedAt || ended.endCause !== view.endCause) differs('its end');
  }
  const counted = view.state === 'ended' ? statements === view.statements : statements >= view.statements;
  if (deleted === undefined && !counted) differs(`${view.statements} statements, or ${statements}`);
  const { corroboration } = view;
  const verdicts = sums.compared.map(({ verdict }) => verdict);
  const beforeAny =
    corroboration === undefined || corroboration === 'pending' || corroboration === 'gateway-only';
  if (!beforeAny && !verdicts.includes(corroboration)) differs(`${corroboration}, which no comparison said`);
  return found;
}

function startDifferences(view: SessionView, started: EventOf<'session.started'>): string[] {
  const said = (one: {
    connection: string;
    protocol: string;
    via: string;
    application?: string | undefined;
  }): unknown[] => [one.connection, one.protocol, one.via, one.application ?? null];
  const found: string[] = [];
  if (canonicalJson(said(view)) !== canonicalJson(said(started))) found.push('its connection');
  if (canonicalJson(view.chain) !== canonicalJson(started.chain) || view.principal !== started.chain[0].id)
    found.push('its chain');
  if (view.startedAt !== started.at) found.push('its start');
  return found;
}

/** Whether a session belongs to what the bundle is about. */
export function isOf(view: SessionView, subject: EvidenceSubject): boolean {
  return subject.kind === 'session'
    ? view.id === subject.id
    : view.chain.some((hop) => hop.id === subject.id);
}

import type { Hono } from 'hono';
import { paths, type SessionView } from '../../contract/api.js';
import type { Actor } from '../../contract/chain.js';
import { ThroughlineError } from '../../contract/errors.js';
import { EvidenceRequest } from '../../contract/evidence.js';
import { refKeys } from '../../evidence/build/input.js';
import { viewerTemplate } from '../../evidence/viewer-file.js';
import { bodyOf, byteStream } from '../http-body.js';
import { type Permissions, requireAllowed } from '../permissions.js';
import type { Environment, GatewayRooms } from '../rooms.js';
import { exportBundle } from './export.js';

/** Each export has a thread and reads whole recordings. */
const exportsAtOnceMax = 2;
/** What one listing gives at most: beyond it nobody could say that the bundle holds everything. */
const sessionsMax = 1000;

/** `POST /v1/evidence`: the offline bundle of a session, or of everything below a node of the agent tree. */
export function addEvidenceRoutes(
  app: Hono<Environment>,
  rooms: GatewayRooms,
  permissions: Permissions,
  viewOf: (actor: Actor, id: string) => Promise<SessionView>,
): void {
  const { sealer, recorder, policies, now } = rooms;
  let running = 0;

  const chosen = async (actor: Actor, { subject }: EvidenceRequest): Promise<SessionView[]> => {
    if (subject.kind === 'session') {
      const session = await viewOf(actor, subject.id);
      requireAllowed(permissions.session(actor, 'evidence:export', session));
      return [session];
    }
    const all = await sealer.sessions({ of: subject.id });
    if (all.length >= sessionsMax) {
      throw new ThroughlineError(
        'too-large',
        `there are ${sessionsMax} sessions or more below ${subject.id}`,
        {
          action: 'export the agents below it one by one: throughline agents show ID',
        },
      );
    }
    const mine = all.filter(
      (session) => permissions.session(actor, 'session:view', session).kind === 'allow',
    );
    const [first] = mine;
    if (first === undefined) {
      throw new ThroughlineError('not-found', `there is no session of ${subject.id.slice(0, 64)}`, {
        action: 'list them: throughline sessions --of ID',
      });
    }
    // All or nothing: a bundle that leaves some out would say less than its name.
    for (const session of mine) requireAllowed(permissions.session(actor, 'evidence:export', session));
    return mine.reverse();
  };

  app.post(paths.evidence, async (context) => {
    const actor = context.get('actor');
    const request = await bodyOf(context.req.raw, EvidenceRequest);
    await sealer.caughtUp();
    const sessions = await chosen(actor, request);
    if (running >= exportsAtOnceMax) {
      throw new ThroughlineError('busy', `${exportsAtOnceMax} exports are running already`, {
        action: 'try again in a minute',
      });
    }
    const checkpoint = await sealer.checkpoint();
    const { name, version, logKey } = rooms.info();
    const reason = request.reason === undefined ? {} : { reason: recorder.maskText(request.reason) };
    const exported = async (manifest: string) => {
      const { kind, id } = request.subject;
      await recorder.record({
        kind: 'evidence.exported',
        by: actor.chain,
        subject: { kind, id },
        sessions: sessions.length,
        manifest,
        ...reason,
      });
      await sealer.caughtUp();
      const index = (await sealer.refs([refKeys.manifest(manifest)])).at(-1);
      if (index === undefined) throw new ThroughlineError('internal', 'the export is not in the log');
      return { index, checkpoint: await sealer.checkpoint() };
    };
    const bytes = exportBundle(
      {
        ...rooms.places,
        keptSinceMs: rooms.retentionMs === undefined ? 0 : now() - rooms.retentionMs,
        input: {
          vkey: logKey,
          logSize: sizeOf(checkpoint),
          about: {
            createdAt: new Date(now()).toISOString(),
            gateway: { name, version },
            by: actor.chain,
            ...reason,
            subject: request.subject,
            sessions,
          },
          results: request.results,
          viewer: viewerTemplate(),
        },
      },
      {
        refs: (keys) => sealer.refs(keys),
        policy: (wanted) => policies.textOf(wanted),
        desktop: (session) => rooms.desktops.lines(session),
        exported,
      },
    );
    running += 1;
    const done = (): void => {
      running -= 1;
    };
    return new Response(byteStream(bytes, done), {
      headers: {
        'content-type': 'application/zip',
        'content-disposition': `attachment; filename="${fileName(request.subject.id)}"`,
      },
    });
  });
}

/** The second line of a checkpoint (C2SP tlog-checkpoint). */
function sizeOf(checkpoint: string): number {
  return Number(checkpoint.split('\n')[1]);
}

function fileName(id: string): string {
  return `throughline-${id.replaceAll(/[^A-Za-z0-9_-]/g, '-').slice(0, 80)}.zip`;
}

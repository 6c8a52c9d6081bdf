import type { Hono } from 'hono';
import { paths, type SessionDetail } from '../../contract/api.js';
import { fromProblem, ThroughlineError } from '../../contract/errors.js';
import type { SessionId } from '../../contract/ids.js';
import type { SpoolAck } from '../../contract/local-record.js';
import { boundedBytes, requireJson } from '../http-body.js';
import { type Permissions, requireAllowed } from '../permissions.js';
import type { Environment, GatewayRooms } from '../rooms.js';
import type { Sealer } from '../sealer/index.js';
import { receiverLimits } from './limits.js';
import { isDevice } from './segment.js';

/** `POST /v1/spool/DEVICE/SEGMENT` (contract/local-record.ts), and what admins see of the devices. */
export function addSpoolRoutes(app: Hono<Environment>, rooms: GatewayRooms, permissions: Permissions): void {
  const { desktops, now } = rooms;

  app.post(paths.spool(':device', ':segment').replaceAll('%3A', ':'), async (context) => {
    const actor = context.get('actor');
    const segment = numberOf(context.req.param('segment') ?? '');
    const device = actor.deviceKey;
    // A delegation may work at the device; its record is not the delegation's to write.
    if (device === undefined || !isDevice(device) || actor.delegation !== undefined) {
      throw new ThroughlineError('denied', 'only the desktop itself uploads what it records', {
        action: 'upload with the ticket of the person who is signed in there',
      });
    }
    const place = { device, segment };
    const named = context.req.param('device') ?? '';
    if (named !== device) {
      const reason = 'it named another device';
      await desktops.refused(place, 'other-device', reason);
      throw new ThroughlineError('denied', `this is not device ${named.slice(0, 64)}`, {
        action: 'a device uploads its own record only',
      });
    }
    requireJson(context.req.raw);
    const principal = actor.chain[0].id;
    const answer = await desktops.spool.upload(place, await bodyOf(context.req.raw));
    if (answer.kind === 'refused') {
      const { code, problem } = answer;
      if (code !== undefined) {
        await desktops.refused(place, code, problem.detail);
        desktops.devices.seen(device, principal, now(), {
          refused: { segment, code, reason: problem.detail.slice(0, 500) },
        });
      }
      throw fromProblem(problem);
    }
    await desktops.arrived(place, principal, answer.arrival);
    const { next, head } = answer;
    return context.json({ next, head } satisfies SpoolAck);
  });

  app.get(paths.adminDevices, async (context) => {
    requireAllowed(permissions.admin(context.get('actor'), 'admin:people'));
    return context.json(await desktops.devices.list());
  });
}

/** What a session's page says of the desktop's own record. */
export async function comparedOf(
  sealer: Pick<Sealer, 'comparable'>,
  id: SessionId,
): Promise<Pick<SessionDetail, 'compared'>> {
  const found = await sealer.comparable(id);
  const last = found.kind === 'unopened' ? undefined : found.compared.last;
  if (last === undefined) return {};
  const { at, verdict, difference, skewMs } = last;
  return {
    compared: {
      at,
      verdict,
      ...(difference === undefined ? {} : { difference }),
      ...(skewMs === undefined ? {} : { skewMs }),
    },
  };
}

/** Of its own, so that it can be handed to the spool's thread without a copy of what it is cut from. */
async function bodyOf(request: Request): Promise<Uint8Array> {
  return Uint8Array.from(await boundedBytes(request, receiverLimits.requestBytesMax));
}

function numberOf(text: string): number {
  const number = /^(0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(number)) return number;
  throw new ThroughlineError('invalid-request', 'a segment is a number');
}

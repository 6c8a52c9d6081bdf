import { ThroughlineError, toProblem } from '../../contract/errors.js';
import { SessionIds } from '../session-ids.js';
import type { SegmentPlace } from './format.js';
import type { Arrival, SpoolMethods, SpoolPlaces, Upload } from './messages.js';
import { SpoolReader } from './reading.js';
import { type Received, SpoolReceiver } from './receiver.js';
import { type CheckedUpload, checkUpload, isRefusal } from './records.js';
import { devicesOf, type SpoolPlace } from './segment.js';

type Answer<T> = T | Promise<T>;
export type SpoolDesk = {
  readonly [M in keyof SpoolMethods]: (
    ...args: Parameters<SpoolMethods[M]>
  ) => Answer<ReturnType<SpoolMethods[M]>>;
};

/** The spool's thread without its thread. */
export function spoolDesk(places: SpoolPlaces, files: SpoolPlace['files'], nowMs: () => number): SpoolDesk {
  const place = { files, directory: places.directory, masterKey: places.masterKey };
  const ids = new SessionIds(places.idKey);
  const receiver = new SpoolReceiver({ place, bytesPerDeviceMax: places.bytesPerDeviceMax, nowMs });
  const reader = new SpoolReader(place);
  return {
    upload: async (segment, body) => {
      const upload = checkUpload(body, segment.device, ids);
      if (isRefusal(upload)) return { kind: 'refused', code: upload.code, problem: toProblem(upload.error) };
      return answerOf(segment, upload, await receiver.receive(segment, upload));
    },
    side: (device, session) => reader.side(device, session),
    lines: (device, session, after) => reader.lines(device, session, after),
    removeBefore: async (beforeMs) => {
      const removed = { segments: 0, bytes: 0 };
      for (const device of devicesOf(place)) {
        const of = receiver.removeBefore(device, beforeMs);
        removed.segments += of.segments;
        removed.bytes += of.bytes;
        // Uploads have their turn in between.
        await new Promise((resolve) => setImmediate(resolve));
      }
      return removed;
    },
    close: () => receiver.close(),
  };
}

function answerOf(place: SegmentPlace, upload: CheckedUpload, received: Received): Upload {
  switch (received.kind) {
    case 'kept': {
      const { next, head, fresh } = received;
      return { kind: 'kept', next, head, arrival: arrivalOf(upload, fresh) };
    }
    case 'ahead':
      return refused(
        undefined,
        new ThroughlineError('conflict', `the gateway has ${received.next} records of this segment`, {
          action: `go on with record ${received.next}`,
          fields: { next: received.next },
        }),
      );
    case 'forked':
      return refused(
        'forked',
        new ThroughlineError(
          'verification-failed',
          `segment ${place.segment} holds something else from record ${received.number} on: two spools use one name`,
          {
            action: 'nothing was kept of this upload; keep the segment, and begin another',
            fields: { record: received.number },
          },
        ),
      );
    case 'full':
      return refused(
        'too-large',
        new ThroughlineError('too-large', `there is no room for more of this device: ${received.what}`, {
          action: 'an admin raises spool.bytesPerDeviceMax, or sets a retention',
        }),
      );
    case 'busy':
      return refused(
        undefined,
        new ThroughlineError('rate-limited', 'the gateway has taken much of this device just now', {
          action: 'try again in a few seconds',
        }),
      );
    case 'failed':
      return refused(
        undefined,
        new ThroughlineError('not-recordable', `the gateway cannot keep this: ${received.code}`, {
          action: 'try again later; the gateway’s disk is full or does not work',
          fields: { errno: received.code },
        }),
      );
  }
}

function refused(code: Extract<Upload, { kind: 'refused' }>['code'], error: ThroughlineError): Upload {
  return { kind: 'refused', code, problem: toProblem(error) };
}

function arrivalOf(upload: CheckedUpload, fresh: Extract<Received, { kind: 'kept' }>['fresh']): Arrival {
  return {
    sessions: [...new Set(fresh.flatMap((record) => ('session' in record ? [record.session] : [])))],
    closed: [...new Set(fresh.flatMap((record) => (record.kind === 'closed' ? [record.session] : [])))],
    conflicts: upload.records.flatMap(({ record }) => (record.kind === 'log-conflict' ? [record] : [])),
    gaps: fresh.filter(({ kind }) => kind === 'gap').length,
    backlog: upload.backlog,
  };
}

import type { SpoolState } from '../../gateway-core/contract/bridge/app.js';
import { bytesText, durationText } from '../../gateway-core/contract/measures.js';

export interface SpoolWords {
  readonly tone: 'good' | 'wait' | 'bad';
  /** After "spool". */
  readonly text: string;
  /** Everything there is to know, a sentence a line. */
  readonly title: string;
}

/** A backlog that is younger is on its way. */
const ageMsMin = 60_000;

/** What the status bar says of this desktop's own record. */
export function spoolWords(spool: SpoolState, nowMs: number): SpoolWords {
  const { working, trouble, records, bytes, oldestAt, waiting, refused, unrecorded = 0 } = spool;
  const ageMs = oldestAt === undefined ? 0 : Math.max(0, nowMs - Date.parse(oldestAt));
  const old = records > 0 && ageMs >= ageMsMin;
  const lines = [
    records === 0
      ? 'The gateway has everything that this desktop has recorded'
      : `${records.toLocaleString()} records (${bytesText(bytes)}) of this desktop wait for the gateway`,
    ...(old ? [`The oldest is from ${durationText(ageMs)} ago`] : []),
    ...(working ? [] : [`Nothing more can be recorded here: ${trouble ?? 'the disk refuses'}`]),
    ...(waiting === undefined ? [] : [`Right now: ${waiting}`]),
    ...refused.map(({ segment, reason }) => `Segment ${segment} is not taken: ${reason}`),
    ...(unrecorded === 0
      ? []
      : [
          unrecorded === 1
            ? 'One session ran without a record of this desktop'
            : `${unrecorded} sessions ran without a record of this desktop`,
        ]),
  ];
  return {
    tone: working ? (old || refused.length > 0 || unrecorded > 0 ? 'wait' : 'good') : 'bad',
    text: `${records.toLocaleString()}${old ? `, ${durationText(ageMs)}` : ''}${working ? '' : ', not recording'}`,
    title: lines.join('\n'),
  };
}

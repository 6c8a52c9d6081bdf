import type { Duplex } from 'node:stream';
import { writeReport } from '../../codec/postgres/backend-writers.js';
import { MessageWriter } from '../../codec/postgres/writer.js';
import { writeAll } from './stream-reader.js';

export interface FatalReport {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
}

/** A FATAL ErrorResponse, which ends a session. */
export function fatal({ code, message, hint }: FatalReport): Uint8Array {
  const writer = new MessageWriter();
  const text = message.replaceAll('\0', '');
  writeReport(writer, { severity: 'FATAL', code, message: `throughline: ${text}`, hint });
  return writer.take();
}

/** Tells a client why it gets no session, and closes. */
export async function sayFatal(stream: Duplex, report: FatalReport): Promise<void> {
  await writeAll(stream, fatal(report));
  stream.end(() => stream.destroy());
}

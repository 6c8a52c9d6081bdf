import type { FileStream } from '../../contract/data-streams.js';
import type { ProjectedItem } from '../../contract/recorder.js';

const exact = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const lossy = new TextDecoder('utf-8', { ignoreBOM: true });

/** A piece of a file that was kept: as text, and as the exact bytes where text cannot say them. */
export function fileItem(stream: FileStream, bytes: Uint8Array): Extract<ProjectedItem, { kind: 'data' }> {
  try {
    return { kind: 'data', stream, text: exact.decode(bytes) };
  } catch {
    const base64 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
    return { kind: 'data', stream, text: lossy.decode(bytes), base64 };
  }
}

/** Words of files that are text, for the search index; nothing of what holds a zero byte. */
export function searchableFile(bytes: Uint8Array): string {
  return bytes.includes(0) ? '' : lossy.decode(bytes);
}

/** Data that moved as a whole, and which way: out of the target (`copy-out`, `file-read`) or into it. */
export const dataStreams = ['copy-out', 'copy-in', 'file-read', 'file-written'] as const;
export type DataStream = (typeof dataStreams)[number];

/** Of files only: they are shown as text unless they hold what no text does. */
export function dataText({
  text,
  base64,
}: {
  readonly text: string;
  readonly base64?: string | undefined;
}): string {
  if (base64 === undefined || !text.includes('\0')) return text;
  return `${((base64.length / 4) * 3).toLocaleString('en-US', { maximumFractionDigits: 0 })} bytes that are no text`;
}

export type FileStream = Extract<DataStream, `file-${string}`>;

export function isFileStream(stream: string): stream is FileStream {
  return stream === 'file-read' || stream === 'file-written';
}

/** Whether it went into the target. */
export const goesIn = (stream: DataStream): boolean => stream === 'copy-in' || stream === 'file-written';

import { existsSync, renameSync } from 'node:fs';
import { type RecordingFiles, systemFiles } from '../../recording/files.js';
import { syncDirectory } from '../client/private-files.js';

/** What the spool needs of a file system: that of recordings, and names that change and vanish. */
export interface SpoolFiles extends RecordingFiles {
  /** Within one file system; replaces what is there. */
  rename(from: string, to: string): void;
  exists(path: string): boolean;
}

export const systemSpoolFiles: SpoolFiles = {
  ...systemFiles,
  // Desktops run where directories cannot be opened, too.
  syncDirectory,
  rename: renameSync,
  exists: existsSync,
};

/** The system's name of an error, `ENOSPC`. */
export function systemCode(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'unknown';
}

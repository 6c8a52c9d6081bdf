import { openProc } from './proc.js';

/** A process of this user as the evidence of a delegation: these three name it for good. */
export interface ProcessEvidence {
  readonly bootId: string;
  readonly pid: number;
  readonly startTicks: string;
}

/** Undefined if there is no such process, or where the platform does not tell. */
export function self(pid: number = process.pid): ProcessEvidence | undefined {
  const proc = openProc();
  const bootId = proc.bootId();
  const stat = proc.stat(pid);
  return bootId === undefined || stat === undefined
    ? undefined
    : { bootId, pid, startTicks: stat.startTicks };
}

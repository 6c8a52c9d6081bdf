import { lineageLimits } from './limits.js';
import type { Proc, Stat } from './proc.js';
import { escapeControls, redactArguments } from './redact.js';

/**
 * A process for good: a pid is used again, but not within a hundredth of a second, unless by someone who may set
 * kernel.ns_last_pid and so may do anything to this process anyway.
 */
export interface ProcessId {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks since boot. */
  readonly startTicks: string;
}

/** What a process executes, with all its words: secrets may be among them, so nothing here is kept or shown. */
export interface Execution {
  readonly exe: string | undefined;
  /** `comm`. */
  readonly name: string;
  readonly words: readonly string[];
}

/** Whether a process is a known agent program, and which. */
export type Recognise = (execution: Execution) => string | undefined;

/** What a process shows about itself. All but pid and start time is the process' own say, made fit to be shown. */
export interface ProcessFacts extends ProcessId {
  /** The program that was executed; undefined where it may not be looked at, as another user's. */
  readonly exe: string | undefined;
  /** `comm`. */
  readonly name: string;
  /** Without secrets, bounded; a last word `…` stands for more. */
  readonly arguments: readonly string[];
  /** As which agent it was recognised, where anybody asked. */
  readonly agent?: string;
  readonly cgroup?: string;
  /** Claims of the process, not proofs. */
  readonly markers: { readonly delegation?: string };
}

/** Says in a program's environment whom it works for. */
export const delegationVariable = 'THROUGHLINE_DELEGATION';
const delegationId = /^dlg_[0-9A-HJKMNP-TV-Z]{26}$/;

/**
 * INVARIANT: `recognise` sees the words as they are. Redaction hides what looks random, and a program in a folder of
 * such a name would act as the person.
 */
export function factsOf(proc: Proc, { pid, startTicks, name }: Stat, recognise?: Recognise): ProcessFacts {
  const exe = proc.executable(pid);
  const { words, cut } = proc.commandLine(pid);
  const cgroup = proc.cgroup(pid);
  const agent = recognise?.({ exe, name, words });
  const delegation = proc.environmentVariable(pid, delegationVariable);
  return {
    pid,
    startTicks,
    exe: exe === undefined ? undefined : bounded(exe),
    name: bounded(name),
    arguments: redactArguments(words, cut),
    ...(agent === undefined ? {} : { agent }),
    ...(cgroup === undefined ? {} : { cgroup: bounded(cgroup) }),
    markers: delegation !== undefined && delegationId.test(delegation) ? { delegation } : {},
  };
}

/** Gone for good: nothing of it runs any more, even if nobody has asked for its exit status yet. */
export function hasEnded(stat: Stat | undefined): boolean {
  if (stat === undefined) return true;
  // A process whose first thread has ended looks like a zombie while its other threads go on.
  return (stat.state === 'Z' || stat.state === 'X') && stat.threads <= 1;
}

function bounded(text: string): string {
  return escapeControls(text).slice(0, lineageLimits.pathCharactersMax);
}

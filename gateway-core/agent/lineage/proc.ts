import { closeSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { lineageLimits } from './limits.js';

/** What one reading of /proc/PID/stat says: proc_pid_stat(5). */
export interface Stat {
  readonly pid: number;
  /** `comm`: at most 15 bytes that the process chooses, with any character but NUL in it. */
  readonly name: string;
  readonly state: string;
  readonly parent: number;
  readonly threads: number;
  /** Field 22, clock ticks since boot. With the pid and the boot id it names a process for good. */
  readonly startTicks: string;
}

/**
 * Typed readings of one proc(5) file system. Synchronous: a reading takes microseconds, a trip through the thread
 * pool ten times as long. Whatever is missing, unreadable or malformed is `undefined` or empty, never an exception.
 */
export interface Proc {
  stat(pid: number): Stat | undefined;
  /** Not the program's name alone: the path that was executed, with ` (deleted)` where it is. */
  executable(pid: number): string | undefined;
  /** Words as the process has them now, and whether there were more than are read. */
  commandLine(pid: number): { readonly words: readonly string[]; readonly cut: boolean };
  cgroup(pid: number): string | undefined;
  /** The first variable of that name, as getenv(3) would find it. */
  environmentVariable(pid: number, name: string): string | undefined;
  /** In no order. Undefined where this kernel does not list children (CONFIG_PROC_CHILDREN). */
  children(pid: number): number[] | undefined;
  /** The process that this pid is a thread of, mostly itself. /proc/PID is there for threads too, only not listed. */
  leader(pid: number): number | undefined;
  /** Every process, the youngest first. Also threads, and pids that nobody has. */
  pids(): Iterable<number>;
  /** Descriptors by name; undefined if they may not be looked at, or the process is gone. */
  descriptors(pid: number): string[] | undefined;
  /** What a descriptor is, for example `socket:[4711]`. */
  descriptor(pid: number, name: string): string | undefined;
  /** Whether there is such a process, and it is this user's, also where it is not shown: kill(2) with no signal. */
  mayBeSignalled(pid: number): boolean;
  bootId(): string | undefined;
}

const system = '/proc';

/** `mayBeSignalled`: the kernel knows only its own processes. */
export function openProc(
  root = system,
  mayBeSignalled: Proc['mayBeSignalled'] = root === system ? canSignal : () => false,
): Proc {
  const path = (...parts: readonly (string | number)[]): string => join(root, ...parts.map(String));
  const text = (...parts: readonly (string | number)[]): string | undefined =>
    read(path(...parts), lineageLimits.fileBytesMax)?.bytes.toString();
  return {
    stat: (pid) => parseStat(pid, text(pid, 'stat')),
    executable: (pid) => link(path(pid, 'exe')),
    commandLine: (pid) => commandLine(read(path(pid, 'cmdline'), lineageLimits.commandLineBytesMax)),
    cgroup: (pid) => cgroup(text(pid, 'cgroup')),
    environmentVariable: (pid, name) =>
      variable(read(path(pid, 'environ'), lineageLimits.environmentBytesMax), name),
    children: (pid) => children(path(pid, 'task')),
    // A name could not forge that line: newlines in it are escaped there.
    leader: (pid) => {
      const found = /^Tgid:\t(\d{1,10})$/m.exec(text(pid, 'status') ?? '')?.[1];
      return found === undefined ? undefined : Number(found);
    },
    pids: () => youngestFirst(text('loadavg'), () => numbers(list(root) ?? [])),
    descriptors: (pid) => list(path(pid, 'fd')),
    descriptor: (pid, name) => link(path(pid, 'fd', name)),
    mayBeSignalled,
    bootId: () => {
      const id = text('sys', 'kernel', 'random', 'boot_id')?.trim();
      return id !== undefined && /^[0-9a-f-]{36}$/.test(id) ? id : undefined;
    },
  };
}

function canSignal(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

interface Bytes {
  readonly bytes: Buffer;
  /** There was more than the bound. */
  readonly cut: boolean;
}

/** One for all: nothing is awaited between a reading and the copy of what it found. */
const shared = Buffer.allocUnsafeSlow(lineageLimits.environmentBytesMax + 1);

function read(path: string, bytesMax: number): Bytes | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    let length = 0;
    while (length <= bytesMax) {
      const more = readSync(descriptor, shared, length, bytesMax + 1 - length, null);
      if (more === 0) break;
      length += more;
    }
    return { bytes: Buffer.from(shared.subarray(0, Math.min(length, bytesMax))), cut: length > bytesMax };
  } catch {
    return undefined;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function link(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function list(path: string): string[] | undefined {
  try {
    return readdirSync(path);
  } catch {
    return undefined;
  }
}

function numbers(names: readonly string[]): number[] {
  return names.filter((name) => /^[1-9]\d{0,9}$/.test(name)).map(Number);
}

/** `comm` can hold anything, so it ends at the last parenthesis; what follows is the kernel's. */
function parseStat(pid: number, text: string | undefined): Stat | undefined {
  if (text === undefined) return undefined;
  const start = text.indexOf('(');
  const end = text.lastIndexOf(')');
  if (start === -1 || end < start || text.slice(0, start).trim() !== String(pid)) return undefined;
  const fields = text
    .slice(end + 1)
    .trim()
    .split(' ');
  const [state, parent] = fields;
  const threads = fields[17];
  const startTicks = fields[19];
  if (state === undefined || parent === undefined || threads === undefined || startTicks === undefined)
    return undefined;
  if (!/^\d{1,10}$/.test(parent) || !/^\d{1,10}$/.test(threads) || !/^\d{1,20}$/.test(startTicks))
    return undefined;
  const name = text.slice(start + 1, end);
  return { pid, name, state, parent: Number(parent), threads: Number(threads), startTicks };
}

function commandLine(found: Bytes | undefined): { words: string[]; cut: boolean } {
  if (found === undefined || found.bytes.length === 0) return { words: [], cut: false };
  const words = found.bytes.toString().split('\0');
  // A word that the bound cut in two could show half of a secret.
  if (found.cut) words.pop();
  // After the last word, too, there is a NUL; a program that sets its title leaves many.
  while (words.at(-1) === '') words.pop();
  return { words, cut: found.cut };
}

/** The path in the unified hierarchy, else in systemd's own: cgroups(7). */
function cgroup(text: string | undefined): string | undefined {
  const lines = text?.split('\n') ?? [];
  for (const prefix of ['0::', '1:name=systemd:']) {
    const line = lines.find((each) => each.startsWith(prefix));
    if (line !== undefined) return line.slice(prefix.length);
  }
  return undefined;
}

function variable(found: Bytes | undefined, name: string): string | undefined {
  if (found === undefined) return undefined;
  const wanted = Buffer.from(`${name}=`);
  let at = 0;
  while (at < found.bytes.length) {
    const end = found.bytes.indexOf(0, at);
    // Without its end the value may be longer than what is here.
    if (end === -1) return undefined;
    if (found.bytes.subarray(at, at + wanted.length).equals(wanted))
      return found.bytes.toString('utf8', at + wanted.length, end);
    at = end + 1;
  }
  return undefined;
}

/** A child belongs to the thread that forked it: proc_tid_children(5). */
function children(tasks: string): number[] | undefined {
  const found: number[] = [];
  for (const thread of list(tasks) ?? []) {
    const listed = read(join(tasks, thread, 'children'), lineageLimits.childrenBytesMax);
    if (listed !== undefined) {
      const names = listed.bytes.toString('latin1').split(' ');
      if (listed.cut) names.pop();
      for (const child of numbers(names)) found.push(child);
    } else if (list(join(tasks, thread)) !== undefined) return undefined;
  }
  return found;
}

/**
 * Pids are given out upwards and then begin anew, so the youngest are those below the last one that was given. A few of
 * those are tried before thousands are listed.
 */
function* youngestFirst(loadavg: string | undefined, listed: () => number[]): Generator<number> {
  const last = Number(loadavg?.trim().split(' ')[4] ?? 0);
  const first = Math.max(0, last - lineageLimits.youngestMax);
  for (let pid = last; pid > first; pid--) yield pid;
  const age = (pid: number): number => (pid <= last ? pid : pid - 2 ** 32);
  const rest = listed().filter((pid) => pid <= first || pid > last);
  yield* rest.sort((one, other) => age(other) - age(one));
}

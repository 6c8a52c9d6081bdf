import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { later } from './support.js';

export interface FakeProcess {
  readonly parent: number;
  readonly startTicks?: string;
  readonly comm?: string;
  readonly state?: string;
  readonly threads?: number;
  /** The process that it is a thread of. */
  readonly leader?: number;
  /** Instead of all but that. */
  readonly stat?: string | Buffer;
  readonly cmdline?: string | Buffer;
  readonly environ?: string | Buffer;
  readonly cgroup?: string | Buffer;
  readonly exe?: string;
  /** Inodes of sockets, by descriptor. */
  readonly sockets?: Readonly<Record<string, string>>;
  readonly children?: readonly number[];
}

export interface FakeProc {
  readonly root: string;
  put(pid: number, process: FakeProcess): void;
  end(pid: number): void;
}

export function fakeProc(processes: Readonly<Record<number, FakeProcess>> = {}): FakeProc {
  const root = mkdtempSync(join(tmpdir(), 'throughline-proc-'));
  later(() => rmSync(root, { recursive: true, force: true }));
  mkdirSync(join(root, 'sys', 'kernel', 'random'), { recursive: true });
  writeFileSync(join(root, 'sys', 'kernel', 'random', 'boot_id'), '0b0a7c1e-4c2f-4a8e-9d3b-5f6a7b8c9d0e\n');
  const end = (pid: number): void => rmSync(join(root, String(pid)), { recursive: true, force: true });
  const put = (pid: number, process: FakeProcess): void => {
    end(pid);
    write(join(root, String(pid)), pid, process);
  };
  for (const [pid, process] of Object.entries(processes)) put(Number(pid), process);
  return { root, put, end };
}

export function statLine(pid: number, process: FakeProcess): string {
  const { comm = 'tool', state = 'S', threads = 1, startTicks = String(1000 + pid), parent } = process;
  const middle = '0 0 0 -1 4194560 1 2 3 4 5 6 7 8 20 0'.split(' ');
  return `${pid} (${comm}) ${[state, parent, ...middle.slice(0, 15), threads, 0, startTicks, 1, 2].join(' ')}\n`;
}

function write(folder: string, pid: number, process: FakeProcess): void {
  mkdirSync(join(folder, 'fd'), { recursive: true });
  mkdirSync(join(folder, 'task', String(pid)), { recursive: true });
  writeFileSync(join(folder, 'stat'), process.stat ?? statLine(pid, process));
  // The name's newlines are escaped there: proc_pid_status(5).
  writeFileSync(join(folder, 'status'), `Name:\ttool\nUmask:\t0022\nTgid:\t${process.leader ?? pid}\n`);
  writeFileSync(join(folder, 'cmdline'), process.cmdline ?? 'tool\0');
  writeFileSync(join(folder, 'environ'), process.environ ?? '');
  writeFileSync(join(folder, 'cgroup'), process.cgroup ?? '0::/user.slice\n');
  const children = (process.children ?? []).map((child) => `${child} `).join('');
  writeFileSync(join(folder, 'task', String(pid), 'children'), children);
  symlinkSync(process.exe ?? '/usr/bin/tool', join(folder, 'exe'));
  for (const [descriptor, inode] of Object.entries(process.sockets ?? {}))
    symlinkSync(`socket:[${inode}]`, join(folder, 'fd', descriptor));
}

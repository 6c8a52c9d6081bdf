import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The few calls of the C library that /proc does not stand in for. */
export interface Native {
  /** One request and its one answer over a netlink(7) socket of `protocol`; undefined for any failure. */
  netlink(protocol: number, request: Buffer): Buffer | undefined;
  /** prctl(2) with one argument. Whether it worked. */
  prctl(option: number, value: number): boolean;
  /** Who connected a unix socket that was accepted here (unix(7), SO_PEERCRED): its pid at that time. */
  peerProcess(descriptor: number): number | undefined;
  /** waitpid(2) without waiting. Whether this very child was there and is now reaped. */
  reap(pid: number): boolean;
}

const afNetlink = 16;
const sockRaw = 3;
const sockCloexec = 0o2000000;
const msgDontwait = 0x40;
const wnohang = 1;
/** prctl(2): asks, and changes nothing. */
const prGetDumpable = 3;
const answerBytesMax = 8192;
const solSocket = 1;
const soPeercred = 17;
/** struct ucred: pid, uid, gid. */
const credentialBytes = 12;

type Call = (...args: unknown[]) => unknown;
type Calls = Record<'socket' | 'send' | 'recv' | 'close' | 'prctl' | 'waitpid' | 'getsockopt', Call>;

let loading: Promise<Native | undefined> | undefined;

/** Undefined where koffi is not there or does not load; everything here works without it, only slower. */
export function loadNative(): Promise<Native | undefined> {
  loading ??= load();
  return loading;
}

async function load(): Promise<Native | undefined> {
  if (process.platform !== 'linux') return undefined;
  try {
    const koffi =
      'electron' in process.versions
        ? loadAddon(addonBeside(import.meta.url))
        : ((await importByName('koffi')) as typeof import('koffi')).default;
    return nativeOf(koffi);
  } catch {
    return undefined;
  }
}

type Koffi = Pick<typeof import('koffi')['default'], 'load'>;

/** @throws where the library cannot be called, which some find out with the first call only */
function nativeOf(koffi: Koffi): Native {
  // The program's own symbols: whichever C library Node was linked with.
  const library = koffi.load(null);
  const func = (definition: string): Call => library.func(definition) as Call;
  const made = native({
    socket: func('int socket(int domain, int type, int protocol)'),
    send: func('intptr_t send(int fd, void *bytes, size_t length, int flags)'),
    recv: func('intptr_t recv(int fd, void *bytes, size_t length, int flags)'),
    close: func('int close(int fd)'),
    prctl: func('int prctl(int option, ulong value, ulong three, ulong four, ulong five)'),
    getsockopt: func('int getsockopt(int fd, int level, int name, void *value, void *length)'),
    waitpid: func('int waitpid(int pid, void *status, int options)'),
  });
  // Every kind of call once, each of which does nothing: NETLINK_SOCK_DIAG ignores an empty message.
  made.netlink(4, Buffer.alloc(16));
  made.prctl(prGetDumpable, 0);
  return made;
}

/**
 * Where the build of the desktop puts the addon beside a program, seen from that program. It cannot be loaded from
 * within an archive, so electron-builder leaves it beside that.
 */
export function addonBeside(program: string): string {
  const path = join(dirname(fileURLToPath(program)), 'native', 'koffi.node');
  return path.replace(/([\\/]app\.asar)(?=[\\/])/, '$1.unpacked');
}

/**
 * Koffi's addon by itself. A packed app has no packages, and looking for one would go through the folders above the
 * app: of a mounted AppImage that is /tmp, where everyone may put a package of that name. So this is one path, and no search.
 */
export function loadAddon(path: string): Koffi {
  const module = { exports: {} };
  process.dlopen(module, path);
  return module.exports as Koffi;
}

/** Bundlers do not follow a name that is handed in: the package with its native code stays where it is. */
function importByName(name: string): Promise<unknown> {
  return import(name);
}

function native(calls: Calls): Native {
  return {
    netlink: (protocol, request) => {
      // A socket for each request: nothing is left over from another one, and none is open in between.
      const socket = calls.socket(afNetlink, sockRaw | sockCloexec, protocol);
      if (typeof socket !== 'number' || socket < 0) return undefined;
      try {
        if (Number(calls.send(socket, request, request.length, 0)) !== request.length) return undefined;
        const answer = Buffer.alloc(answerBytesMax);
        // The kernel answers within `send`.
        const length = Number(calls.recv(socket, answer, answer.length, msgDontwait));
        return length > 0 ? answer.subarray(0, length) : undefined;
      } finally {
        calls.close(socket);
      }
    },
    prctl: (option, value) => calls.prctl(option, value, 0, 0, 0) === 0,
    peerProcess: (descriptor) => {
      const value = Buffer.alloc(credentialBytes);
      const length = Buffer.alloc(4);
      length.writeInt32LE(credentialBytes);
      if (calls.getsockopt(descriptor, solSocket, soPeercred, value, length) !== 0) return undefined;
      const pid = value.readInt32LE();
      // 0: it is in another namespace of processes.
      return pid > 0 ? pid : undefined;
    },
    reap: (pid) => pid > 1 && calls.waitpid(pid, null, wnohang) === pid,
  };
}

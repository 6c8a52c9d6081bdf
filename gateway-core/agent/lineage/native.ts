/** The few calls of the C library that /proc does not stand in for. */
export interface Native {
  /** One request and its one answer over a netlink(7) socket of `protocol`; undefined for any failure. */
  netlink(protocol: number, request: Buffer): Buffer | undefined;
  /** prctl(2) with one argument. Whether it worked. */
  prctl(option: number, value: number): boolean;
  /** waitpid(2) without waiting. Whether this very child was there and is now reaped. */
  reap(pid: number): boolean;
}

const afNetlink = 16;
const sockRaw = 3;
const sockCloexec = 0o2000000;
const msgDontwait = 0x40;
const wnohang = 1;
const answerBytesMax = 8192;

type Call = (...args: unknown[]) => unknown;
type Calls = Record<'socket' | 'send' | 'recv' | 'close' | 'prctl' | 'waitpid', Call>;

let loading: Promise<Native | undefined> | undefined;

/** Undefined where koffi is not there or does not load; everything here works without it, only slower. */
export function loadNative(): Promise<Native | undefined> {
  loading ??= load();
  return loading;
}

async function load(): Promise<Native | undefined> {
  // A packed app has no packages, and looking for one would go through the folders above the app: of a mounted
  // AppImage that is /tmp, where everyone may put a package of that name.
  if (process.platform !== 'linux' || 'electron' in process.versions) return undefined;
  try {
    const { default: koffi } = (await importByName('koffi')) as typeof import('koffi');
    // The program's own symbols: whichever C library Node was linked with.
    const library = koffi.load(null);
    const func = (definition: string): Call => library.func(definition) as Call;
    return native({
      socket: func('int socket(int domain, int type, int protocol)'),
      send: func('intptr_t send(int fd, void *bytes, size_t length, int flags)'),
      recv: func('intptr_t recv(int fd, void *bytes, size_t length, int flags)'),
      close: func('int close(int fd)'),
      prctl: func('int prctl(int option, ulong value, ulong three, ulong four, ulong five)'),
      waitpid: func('int waitpid(int pid, void *status, int options)'),
    });
  } catch {
    return undefined;
  }
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
    reap: (pid) => pid > 1 && calls.waitpid(pid, null, wnohang) === pid,
  };
}

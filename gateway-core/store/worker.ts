import { existsSync } from 'node:fs';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';

/**
 * A module that runs in a worker exports `main`. It listens on `port` until the port closes, and leaves nothing
 * behind that keeps its thread alive then. What it throws ends the worker.
 */
export interface WorkerModule {
  readonly main: (port: MessagePort, data: unknown) => void | Promise<void>;
}

export interface WorkerOptions {
  /** Shown in diagnostics. */
  readonly name: string;
  /** Handed to `main`, structurally cloned. */
  readonly data: unknown;
}

export interface StartedWorker {
  /** The caller's end; closed when the worker is gone. Messages wait until a listener is added. */
  readonly port: MessagePort;
  /** Resolves once the worker is gone: undefined after `stop`, else what ended it. Never rejects. */
  readonly ended: Promise<Error | undefined>;
  /** Closes the port, lets the worker finish what it does, and ends it when that takes longer than `stopTimeoutMs`. */
  stop(): Promise<void>;
}

const stopTimeoutMs = 5000;

/** No file of its own: so it is there when this runs compiled and when it runs straight from TypeScript. */
const threadEntry = `
  const { parentPort, workerData } = require('node:worker_threads');
  const loading = import(workerData.url);
  // A module that is not there is told with the first message, like all else that goes wrong.
  loading.catch(() => undefined);
  parentPort.once('message', async (data) => {
    const { main } = await loading;
    await main(workerData.port, data);
  });
`;

interface Thread {
  readonly started: StartedWorker;
  start(data: unknown): void;
}

/** Threads that were loaded ahead, by their module: the next `startWorker` of that module takes one. */
const loadedAhead = new Map<string, Thread>();

/**
 * Starts a thread and loads a module into it, so that the `startWorker` that follows finds both done. It holds no
 * process alive, and does nothing where `startWorker` would start no thread.
 */
export function loadWorker(moduleUrl: URL, options: Pick<WorkerOptions, 'name'>): void {
  if (!loadedAhead.has(moduleUrl.href) && existsSync(moduleUrl))
    loadedAhead.set(moduleUrl.href, loadThread(moduleUrl, options.name));
}

/**
 * Runs a module of ours beside the event loop: `startWorker(new URL('./state-worker.js', import.meta.url), ...)`,
 * always with `.js`, as in an import.
 *
 * Compiled, the module runs in a thread of its own. Straight from TypeScript, as the tests run it, there is no such
 * file and Node has no loader for threads: then the `.ts` beside it runs in this thread, behind the same port with
 * the same cloned messages. So a module must never wait for its caller synchronously.
 */
export function startWorker(moduleUrl: URL, options: WorkerOptions): StartedWorker {
  const ahead = loadedAhead.get(moduleUrl.href);
  loadedAhead.delete(moduleUrl.href);
  if (ahead === undefined && !existsSync(moduleUrl))
    return startHere(new URL(moduleUrl.href.replace(/\.js$/, '.ts')), options);
  const thread = ahead ?? loadThread(moduleUrl, options.name);
  thread.start(options.data);
  return thread.started;
}

function loadThread(moduleUrl: URL, name: string): Thread {
  const { port1: port, port2: inner } = new MessageChannel();
  const worker = new Worker(threadEntry, {
    eval: true,
    name,
    workerData: { url: moduleUrl.href, port: inner },
    transferList: [inner],
    // node:sqlite says once per thread that it is experimental; the operator can do nothing with that. This process's
    // own flags are left out: V8's among them apply anyway, and a thread refuses to start with them.
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  worker.unref();
  let failure: Error | undefined;
  let stopping = false;
  worker.on('error', (error: unknown) => {
    failure = error instanceof Error ? error : new Error(String(error));
  });
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  const started: StartedWorker = {
    port,
    ended: exited.then(() => {
      port.close();
      return failure ?? (stopping ? undefined : new Error(`the worker ${name} ended by itself`));
    }),
    stop: async () => {
      stopping = true;
      port.close();
      const timer = setTimeout(() => void worker.terminate(), stopTimeoutMs);
      await exited;
      clearTimeout(timer);
    },
  };
  return {
    started,
    start: (data) => {
      worker.ref();
      worker.postMessage(data);
    },
  };
}

function startHere(moduleUrl: URL, options: WorkerOptions): StartedWorker {
  const { port1: port, port2: inner } = new MessageChannel();
  // Both ends: the module's own close listener has run by then.
  const closed = Promise.all([once(port), once(inner)]).then(() => undefined);
  const failed = run(moduleUrl, inner, structuredClone(options.data));
  return {
    port,
    ended: Promise.race([failed, closed]).finally(() => port.close()),
    stop: async () => {
      port.close();
      await closed;
    },
  };
}

function once(port: MessagePort): Promise<void> {
  return new Promise((resolve) => port.once('close', () => resolve()));
}

/** Resolves only when the module throws: one that has returned still listens. */
async function run(moduleUrl: URL, inner: MessagePort, data: unknown): Promise<Error> {
  try {
    const module = (await import(/* @vite-ignore */ moduleUrl.href)) as WorkerModule;
    await module.main(inner, data);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
  return new Promise<Error>(() => {});
}

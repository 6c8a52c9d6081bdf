import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import type { AppState } from '../../gateway-core/contract/bridge/app.js';
import { ThroughlineError } from '../../gateway-core/contract/errors.js';
import { demoAccounts } from '../../gateway-core/server/demo/identity-provider/accounts.js';
import { childEnvironment } from '../agent-host/environment.js';
import type { DemoPort } from '../ipc/host-handlers.js';
import { type RunningDemo, runningDemo } from './running-demo.js';

export const demoGatewayLimits = {
  /** The first start makes keys, certificates and a database. */
  startTimeoutMs: 120_000,
  /** Ending sessions in order, then sealing what the journal holds. */
  closingTimeoutMs: 15_000,
  /** What is kept of the last words of a gateway that failed. */
  complaintCharactersMax: 8000,
} as const;

export interface DemoGateway extends DemoPort {
  start(): Promise<RunningDemo>;
  /** Whether the gateway that runs was started here, and so ends with the app. */
  readonly ours: boolean;
  /** Ends it in order when it was started here. */
  close(): Promise<void>;
  /** Ends it at once when it was started here. */
  kill(): void;
}

export interface DemoGatewayOptions {
  /** The Node that runs it. Nothing: this app has none, so it cannot run a gateway. */
  readonly node: string | undefined;
  /** The `throughline` command. */
  readonly program: string;
  readonly env: NodeJS.ProcessEnv;
  readonly changed: (embedded: AppState['embedded']) => void;
  readonly complain: (what: string, cause?: unknown) => void;
}

const Ready = z.object({ ready: z.literal(true), url: z.url(), demoSecret: z.string().optional() });
const Refused = z.object({
  error: z.object({ code: z.string(), message: z.string(), action: z.string().optional() }),
});

/**
 * The demo gateway of this app: `throughline up --demo` as a process of its own, one at a time. A demo of the same
 * user that runs already is used instead, and left alone at the end.
 */
export function demoGateway(options: DemoGatewayOptions): DemoGateway {
  let starting: Promise<RunningDemo> | undefined;
  let child: ChildProcess | undefined;
  let closing = false;

  const begin = async (): Promise<RunningDemo> => {
    const running = (await runningDemo(options.env)) ?? (await spawned());
    options.changed({ url: running.url, accounts: Object.keys(demoAccounts) });
    return running;
  };
  const spawned = async (): Promise<RunningDemo> => {
    if (options.node === undefined) throw notHere();
    if (closing) throw new ThroughlineError('busy', 'the app is closing');
    const started = spawn(options.node, [options.program, 'up', '--demo', '--json'], {
      env: childEnvironment(options.env),
      // Of its own group: Ctrl-C in the terminal reaches the app alone, which ends it after the agent.
      detached: true,
      // The channel carries nothing; it closes when this process is gone, however it went.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    child = started;
    let ready = false;
    started.once('exit', (code, signal) => {
      child = undefined;
      starting = undefined;
      if (!ready) return;
      options.changed(undefined);
      if (!closing) options.complain(`the demo gateway ended (${signal ?? `status ${code ?? 'unknown'}`})`);
    });
    const running = await readyLine(started);
    ready = true;
    return running;
  };
  return {
    get ours() {
      return child !== undefined;
    },
    start: () => {
      starting ??= begin().catch((error: unknown) => {
        starting = undefined;
        throw error;
      });
      return starting;
    },
    close: async () => {
      closing = true;
      if (child !== undefined) await end(child);
    },
    kill: () => void child?.kill('SIGKILL'),
  };
}

/** Waits for the line that says it accepts connections. @throws ThroughlineError what the gateway says */
function readyLine(child: ChildProcess): Promise<RunningDemo> {
  return new Promise((resolve, reject) => {
    let said = '';
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(didNotStart('it took too long'));
    }, demoGatewayLimits.startTimeoutMs);
    const settle = (settled: () => void): void => {
      clearTimeout(timer);
      settled();
    };
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-demoGatewayLimits.complaintCharactersMax);
    });
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).once('line', (line) => {
        const ready = Ready.safeParse(jsonOf(line));
        if (!ready.success) return;
        const { url, demoSecret } = ready.data;
        settle(() => resolve({ url: new URL(url).origin, demoSecret }));
      });
    }
    child.once('error', () => settle(() => reject(didNotStart('its program could not be run'))));
    child.once('close', () => settle(() => reject(refusalIn(said))));
  });
}

/** `up --json` says why it fails as an object on stderr, in a line of its own. */
function refusalIn(said: string): ThroughlineError {
  for (const line of said.trim().split('\n').reverse()) {
    const refused = Refused.safeParse(jsonOf(line));
    if (!refused.success) continue;
    const { message, action } = refused.data.error;
    return didNotStart(message, action);
  }
  return didNotStart('it ended at once');
}

function didNotStart(why: string, action = 'see what `npx throughline up --demo` says'): ThroughlineError {
  return new ThroughlineError('target-unreachable', `the demo gateway did not start: ${why}`, { action });
}

function notHere(): ThroughlineError {
  return new ThroughlineError(
    'not-found',
    'the installed app connects to gateways and does not run one itself',
    {
      action: 'run `npm start` in a clone, or `throughline up --demo`, and enter its address',
    },
  );
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function end(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    const kill = setTimeout(() => child.kill('SIGKILL'), demoGatewayLimits.closingTimeoutMs);
    child.once('exit', () => {
      clearTimeout(kill);
      resolve();
    });
    child.kill('SIGTERM');
  });
}

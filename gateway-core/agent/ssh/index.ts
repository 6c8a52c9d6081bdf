import type { BridgeError } from '../../contract/bridge/app.js';
import type { Handlers } from '../../contract/bridge/calls.js';
import { ThroughlineError } from '../../contract/errors.js';
import { Files } from './files.js';
import { Forwards } from './forwards.js';
import { newKey } from './keys.js';
import { sshLimits } from './limits.js';
import type { SshEngineOptions } from './options.js';
import { TerminalSession } from './session.js';
import { Transfers } from './transfers.js';

export type SshCalls = Extract<
  keyof Handlers<'agent'>,
  `ssh.${string}` | `sftp.${string}` | `transfers.${string}` | `forwards.${string}`
>;

export interface SshEngine {
  readonly handlers: Pick<Handlers<'agent'>, SshCalls>;
  /** Sign-out, another gateway: every session and forward ends; what a terminal showed stays readable. */
  closeSessions(problem: BridgeError): void;
  close(): Promise<void>;
}

/** The built-in SSH client: terminals, files, forwards. To the gateway it is a client like any other. */
export function createSshEngine(options: SshEngineOptions): SshEngine {
  const sessions = new Map<string, TerminalSession>();
  const sessionOf = (key: string): TerminalSession => {
    const session = sessions.get(key);
    if (session !== undefined) return session;
    throw new ThroughlineError('not-found', 'this terminal is closed', {
      action: 'open the connection again',
    });
  };
  const files = new Files(sessionOf);
  const transfers = new Transfers({ ...options, sessionOf });
  const forwards = new Forwards(options);
  return {
    handlers: {
      ...sessionCalls(options, sessions, sessionOf, transfers),
      ...files.handlers,
      ...transfers.handlers,
      ...forwards.handlers,
    },
    closeSessions: (problem) => {
      transfers.stopAll();
      forwards.closeAll();
      for (const session of sessions.values()) session.end(problem);
    },
    close: async () => {
      transfers.stopAll();
      forwards.closeAll();
      for (const session of sessions.values()) session.close();
      await transfers.settled();
    },
  };
}

function sessionCalls(
  options: SshEngineOptions,
  sessions: Map<string, TerminalSession>,
  sessionOf: (key: string) => TerminalSession,
  transfers: Transfers,
) {
  return {
    'ssh.sessions': () => Promise.resolve([...sessions.values()].map((each) => each.view())),
    'ssh.open': async ({ connection, columns, rows }) => {
      if (sessions.size >= sshLimits.sessionsMax) {
        throw new ThroughlineError('rate-limited', `${sshLimits.sessionsMax} terminals are open already`, {
          action: 'close some of them',
        });
      }
      const session = new TerminalSession(newKey('ssh'), connection, options);
      session.onLost = () => transfers.lost(session.key);
      sessions.set(session.key, session);
      try {
        await session.connect({ columns, rows });
      } catch (error) {
        sessions.delete(session.key);
        session.close();
        throw error;
      }
      return session.view();
    },
    'ssh.reconnect': async ({ key, columns, rows }) => {
      const session = sessionOf(key);
      await session.connect({ columns, rows });
      return session.view();
    },
    'ssh.close': ({ key }) => {
      transfers.lost(key);
      sessions.get(key)?.close();
      sessions.delete(key);
      options.emit('ssh.closed', { key });
      return Promise.resolve({});
    },
    'ssh.read': async ({ key, from }) => sessionOf(key).shell.read(from),
    'ssh.write': async ({ key, text, binary }) => {
      await sessionOf(key).shell.write(Buffer.from(text, binary ? 'latin1' : 'utf8'));
      return {};
    },
    'ssh.resize': async ({ key, columns, rows }) => {
      sessionOf(key).shell.resize({ columns, rows });
      return Promise.resolve({});
    },
  } satisfies Partial<Handlers<'agent'>>;
}

import { api } from '../../agent/client/api.js';
import type { Gateway } from '../../agent/client/gateway.js';
import type { ClientState } from '../../agent/client/state.js';
import { socketLooking } from '../../agent/tunnel/behind.js';
import { psqlCommand, sshCommand } from '../../agent/tunnel/lines.js';
import { type Passfile, passfileOf } from '../../agent/tunnel/passfile.js';
import { hostKeysOf, keepSshFiles, type SshTunnelPlace } from '../../agent/tunnel/ssh-files.js';
import { openTunnel, type Tunnel, type TunnelEvent } from '../../agent/tunnel/tunnel.js';
import { ThroughlineError } from '../../contract/errors.js';
import { type Usable, usableConnection } from '../connection.js';
import {
  argument,
  type Context,
  type Input,
  type Run,
  withGateway,
  withRecordedGateway,
} from '../context.js';
import { failureOf, printFailure } from '../failure.js';
import { bold, print, printJson } from '../output.js';
import { onSignal } from '../signals.js';
import { printSshWays } from '../ssh-ways.js';
import { parseWhole } from '../values.js';

export const run: Run = (context, input) => {
  const port = input.text('port');
  const wanted = port === undefined ? undefined : parseWhole(port, '--port', 0, 65_535);
  if (input.flag('native')) return native(context, input);
  return withRecordedGateway(context, input, async (gateway, state) => {
    const usable = await usableConnection(gateway, argument(input));
    const tunnel = await open(context, gateway, state, usable, wanted);
    if (usable.detail.protocol === 'ssh') {
      try {
        const hostKeys = hostKeysOf(await api.gateway(gateway));
        const { host, socket } = tunnel;
        const place = { connection: usable.detail.name, host, port: tunnel.port, socket };
        const over = interrupted();
        announceSsh(context, place, keepSshFiles(state.home.state, place, hostKeys));
        await over;
      } finally {
        await tunnel.close();
      }
      return undefined;
    }
    const passfile = passfileOf(tunnel);
    try {
      // Listened for first: whoever reads that it is open may end it at once.
      const over = interrupted();
      announce(context, usable, tunnel, passfile);
      await over;
    } finally {
      passfile?.remove();
      await tunnel.close();
    }
  });
};

async function native(context: Context, input: Input): Promise<undefined> {
  if (input.text('port') !== undefined)
    throw new ThroughlineError('usage', '--native opens no port of this machine: leave --port out');
  const { serveNative } = await import('../native.js');
  await withGateway(context, input, (gateway, state) =>
    serveNative(context, gateway, state, argument(input), interrupted),
  );
}

/** The port of last time when nobody names one: settings of other tools then stay right. */
async function open(
  context: Context,
  gateway: Gateway,
  state: ClientState,
  usable: Usable,
  wanted: number | undefined,
): Promise<Tunnel> {
  const connection = usable.detail.name;
  const options = {
    gateway,
    connection,
    protocol: usable.detail.protocol,
    report: reporter(context),
    ...(await socketLooking(state)),
  };
  if (wanted !== undefined) return openTunnel({ ...options, port: wanted });
  const key = `${gateway.url} ${connection}`;
  const last = (await state.settings()).ports[key] ?? 0;
  const tunnel = await openTunnel({ ...options, port: last }).catch((error: unknown) => {
    if (error instanceof ThroughlineError && error.code === 'conflict') return openTunnel(options);
    throw error;
  });
  if (tunnel.port !== last) {
    await state.changeSettings((settings) => ({
      ...settings,
      ports: { ...settings.ports, [key]: tunnel.port },
    }));
  }
  return tunnel;
}

function announce(
  context: Context,
  usable: Usable,
  { host, port, password }: Tunnel,
  passfile: Passfile | undefined,
): void {
  const { detail, user, database } = usable;
  const command = psqlCommand({ host, port, user, dbname: database, passfile: passfile?.path });
  const { name: connection, protocol } = detail;
  if (context.json) {
    const secret = passfile === undefined ? {} : { password, passfile: passfile.path };
    return printJson(context.stdout, {
      connection,
      protocol,
      host,
      port,
      user,
      database,
      command,
      ...secret,
    });
  }
  const { stdout } = context;
  const at = database === undefined ? '' : `, database ${database}`;
  print(stdout, bold(connection), ` is open on ${host}:${port} (user ${user}${at})`);
  print(stdout);
  print(stdout, `  ${command}`);
  print(stdout);
  if (password === undefined)
    return print(stdout, 'No password is needed; only your own processes are let in. Ctrl-C ends it.');
  print(stdout, 'Password of this tunnel, for tools that read no passfile: ', bold(password));
  print(
    stdout,
    'Nobody here can tell whose a socket is, so whoever has it is let in, and sessions say `unattributed`.',
  );
  print(stdout, 'It is over with the tunnel. Ctrl-C ends it.');
}

function announceSsh(
  context: Context,
  { connection, host, port, socket }: SshTunnelPlace,
  { config, include }: ReturnType<typeof keepSshFiles>,
): void {
  const command = sshCommand(connection, config);
  if (context.json) {
    const at = socket === undefined ? { host, port } : { host, port, socket };
    const place = { connection, protocol: 'ssh', ...at, user: connection, command, config };
    return printJson(context.stdout, place);
  }
  const { stdout } = context;
  print(stdout, bold(connection), ` is open on ${socket ?? `${host}:${port}`}`);
  printSshWays(stdout, command, include);
  print(stdout, 'No key or password is needed; only your own processes are let in. Ctrl-C ends it.');
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    onSignal(resolve);
  });
}

const reportIntervalMs = 1000;

/** Tells what the tunnel refused, on stderr, once a second at most: others must not be able to flood a terminal. */
export function reporter(context: Context): (event: TunnelEvent) => void {
  let quietUntilMs = 0;
  return (event) => {
    const now = Date.now();
    if (now < quietUntilMs) return;
    quietUntilMs = now + reportIntervalMs;
    printFailure(context.stderr, failureOf(eventError(event)), context.json);
  };
}

function eventError(event: TunnelEvent): ThroughlineError {
  if (event.kind === 'failed') return event.error;
  switch (event.reason) {
    case 'other-user':
      return new ThroughlineError(
        'denied',
        `refused a connection of another user of this machine (uid ${event.uid})`,
      );
    case 'unknown-user':
      return new ThroughlineError('denied', 'refused a connection whose user could not be established');
    case 'wrong-password':
      return new ThroughlineError('denied', 'refused a connection with another password than this tunnel’s');
    case 'changed-hands':
      return new ThroughlineError('denied', 'refused a connection that changed hands while it was looked at');
    case 'too-many':
      return new ThroughlineError('rate-limited', 'refused a connection: too many are open on this tunnel');
  }
}

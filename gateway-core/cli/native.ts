import { api } from '../agent/client/api.js';
import type { Gateway } from '../agent/client/gateway.js';
import { registerSshKey } from '../agent/client/ssh-key.js';
import type { ClientState } from '../agent/client/state.js';
import { personsOwn } from '../agent/tunnel/behind.js';
import { sshCommand } from '../agent/tunnel/lines.js';
import { hostKeysOf, keepNativeSshFiles, nativeKey, removeNativeKey } from '../agent/tunnel/ssh-files.js';
import { ThroughlineError } from '../contract/errors.js';
import { usableConnection } from './connection.js';
import type { Context } from './context.js';
import { listenerOf } from './listener.js';
import { bold, print, printJson } from './output.js';
import { printSshWays } from './ssh-ways.js';
import { localTime } from './values.js';

/**
 * `connect --native`: ssh goes to the gateway's own listener, with a key of this device that is in this process only.
 * `over`: when to end.
 */
export async function serveNative(
  context: Context,
  gateway: Gateway,
  state: ClientState,
  name: string,
  over: () => Promise<void>,
): Promise<void> {
  const { detail } = await usableConnection(gateway, name);
  if (detail.protocol !== 'ssh')
    throw new ThroughlineError('usage', `--native is for SSH, and "${detail.name}" is not`, {
      action: `use throughline handle ${detail.name}, or leave --native out`,
    });
  const hostKeys = hostKeysOf(await api.gateway(gateway));
  const connection = detail.name;
  const home = state.home.state;
  const place = await nativeKey(home, connection);
  const key = await registerSshKey(gateway, connection);
  try {
    await key.serve(place.agent, await personsOwn(gateway, state));
    const { host, port } = listenerOf(key.registered.listeners, gateway, 'ssh');
    const files = keepNativeSshFiles(home, { connection, host, port }, hostKeys, {
      ...place,
      publicKey: key.publicKey,
    });
    const ended = over();
    const { fingerprint, expiresAt } = key.registered;
    const knownHosts = hostKeys.map((line) => `[${host}]:${port} ${line}`);
    announce(context, { connection, host, port, ...files, fingerprint, expiresAt, knownHosts });
    await ended;
  } finally {
    await key.close();
    removeNativeKey(place);
  }
}

interface NativePlace {
  readonly connection: string;
  readonly host: string;
  readonly port: number;
  readonly config: string;
  readonly include: string;
  readonly fingerprint: string;
  readonly expiresAt: string;
  readonly knownHosts: readonly string[];
}

function announce(context: Context, { include, ...place }: NativePlace): void {
  const { connection, host, port, config, fingerprint, expiresAt } = place;
  const command = sshCommand(connection, config);
  if (context.json)
    return printJson(context.stdout, { ...place, protocol: 'ssh', user: connection, command, native: true });
  const { stdout } = context;
  print(
    stdout,
    bold(connection),
    ` at the gateway’s own listener, ${host}:${port}, until ${localTime(expiresAt)}`,
  );
  printSshWays(stdout, command, include);
  print(
    stdout,
    `The key (${fingerprint}) is in this process only, opens this connection only, and is over with it.`,
  );
  print(stdout, 'Nobody can tell which program uses it: sessions say `unattributed`. Ctrl-C ends it.');
}

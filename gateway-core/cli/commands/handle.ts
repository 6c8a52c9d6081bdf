import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { api } from '../../agent/client/api.js';
import type { Gateway } from '../../agent/client/gateway.js';
import { writePrivate } from '../../agent/client/private-files.js';
import type { ClientState } from '../../agent/client/state.js';
import { isLoopbackHost, type Trust } from '../../agent/client/trust.js';
import { psqlCommand, shellWord } from '../../agent/tunnel/lines.js';
import { hostKeysOf } from '../../agent/tunnel/ssh-files.js';
import type { HandleResponse } from '../../contract/api.js';
import { argument, type Context, type Run, withGateway } from '../context.js';
import { listenerOf } from '../listener.js';
import { bold, print, printJson } from '../output.js';
import { localTime, parseDurationMs, parseWhole } from '../values.js';

export const run: Run = (context, input) => {
  const ttl = input.text('ttl');
  const sessions = input.text('sessions');
  const request = {
    connection: argument(input),
    ...(ttl === undefined ? {} : { ttlMs: parseDurationMs(ttl, '--ttl') }),
    ...(sessions === undefined ? {} : { sessionsMax: parseWhole(sessions, '--sessions', 1, 10_000) }),
  };
  return withGateway(context, input, async (gateway, state) => {
    const handle = await api.createHandle(gateway, request);
    const { user, password, connection, expiresAt, sessionsMax } = handle;
    if (handle.protocol === 'ssh') return printSsh(context, gateway, handle);
    const { host, port } = listenerOf(handle.listeners, gateway, 'postgres');
    // The native listener finds the connection by the database's name.
    const database = connection;
    if (context.json) {
      return printJson(context.stdout, {
        user,
        password,
        connection,
        host,
        port,
        database,
        expiresAt,
        sessionsMax,
      });
    }
    const command = psqlCommand({ host, port, user, dbname: database, ...(await tls(gateway, state, host)) });
    const { stdout } = context;
    print(stdout, bold(connection), ` until ${localTime(expiresAt)}, ${sessionsMax} sessions at most:`);
    print(stdout);
    print(stdout, `  PGPASSWORD=${shellWord(password)} ${command}`);
    print(stdout);
    print(stdout, 'The password is shown this once. Whoever has it acts in your name: do not share it.');
  });
};

/** The user names the connection, too: CONNECTION+HANDLE. The gateway's key is for known_hosts. */
async function printSsh(context: Context, gateway: Gateway, handle: HandleResponse): Promise<void> {
  const { password, connection, expiresAt, sessionsMax } = handle;
  const { host, port } = listenerOf(handle.listeners, gateway, 'ssh');
  const user = `${connection}+${handle.user}`;
  const hostKeys = hostKeysOf(await api.gateway(gateway));
  const knownHosts = hostKeys.map((line) => `[${host}]:${port} ${line}`);
  const command = `ssh -p ${port} ${shellWord(`${user}@${host}`)}`;
  if (context.json) {
    const place = { user, password, connection, host, port, command, knownHosts };
    return printJson(context.stdout, { ...place, expiresAt, sessionsMax });
  }
  const { stdout } = context;
  print(stdout, bold(connection), ` until ${localTime(expiresAt)}, ${sessionsMax} sessions at most:`);
  print(stdout);
  print(stdout, `  ${command}`);
  print(stdout, `  password: ${password}`);
  print(stdout);
  print(stdout, 'The gateway’s key, for ~/.ssh/known_hosts:');
  for (const line of knownHosts) print(stdout, `  ${line}`);
  print(stdout);
  print(stdout, 'The password is shown this once. Whoever has it acts in your name: do not share it.');
}

/** Off this machine the password needs a gateway that proves itself: libpq's settings for that. */
async function tls(
  gateway: Gateway,
  state: ClientState,
  host: string,
): Promise<Readonly<Record<string, string>>> {
  if (isLoopbackHost(host)) return {};
  return { sslmode: 'verify-full', sslrootcert: await rootCertificate(gateway.trust, state) };
}

async function rootCertificate(trust: Trust, state: ClientState): Promise<string> {
  if (trust.kind === 'system') return 'system';
  const name = createHash('sha256').update(trust.pem).digest('hex').slice(0, 16);
  const path = join(state.home.state, `gateway-${name}.pem`);
  await writePrivate(path, trust.pem);
  return path;
}

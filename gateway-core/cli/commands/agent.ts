import { api } from '../../agent/client/api.js';
import { createAgentService } from '../../agent/service/index.js';
import type { AppState } from '../../contract/bridge/app.js';
import type { EventName, EventPayload } from '../../contract/bridge/calls.js';
import type { TunnelView } from '../../contract/bridge/work.js';
import { ThroughlineError } from '../../contract/errors.js';
import { ConnectionName } from '../../contract/ids.js';
import { type Context, chosenGateway, type Input, type Run, stateOf, withGateway } from '../context.js';
import { bold, print, printJson, yellow } from '../output.js';
import { onSignal } from '../signals.js';

/**
 * The desktop's agent process without the desktop: tunnels that stay open, each at its port of last time, over breaks
 * of the gateway, until a signal or the end of the sign-in.
 */
export const run: Run = async (context, input) => {
  const state = await stateOf(context);
  // Whoever is not signed in hears it before anything is opened.
  const url = await withGateway(context, input, async (gateway) => {
    await api.whoami(gateway);
    return gateway.url;
  });
  const wanted = connectionsOf(input) ?? (await connectionsOfLastTime(state, url));
  if (wanted.length === 0) {
    throw new ThroughlineError('usage', 'no connection was named, and none had a tunnel here before', {
      action: 'name them: throughline agent --connections shop-db',
    });
  }
  const over = new AbortController();
  const ended = new Promise<ThroughlineError | undefined>((resolve) => {
    onSignal(() => resolve(undefined));
    over.signal.addEventListener('abort', () => resolve(over.signal.reason as ThroughlineError));
  });
  const tell = teller(context, (reason) => over.abort(reason));
  const service = createAgentService({
    version: context.version,
    platform: process.platform,
    state,
    emit: tell,
    openBrowser: () => undefined,
  });
  service.prefer({ exportDirectory: '', tunnels: wanted });
  try {
    const chosen = await chosenGateway(context, input, state);
    if (chosen !== undefined && url !== (await state.settings()).gateway)
      await service.handlers['app.useGateway']({ url });
    else await service.start();
    const reason = await ended;
    if (reason !== undefined) throw reason;
  } finally {
    await service.close();
  }
};

function connectionsOf(input: Input): string[] | undefined {
  const text = input.text('connections');
  if (text === undefined) return undefined;
  return text.split(',').map((each) => {
    const name = ConnectionName.safeParse(each.trim());
    if (name.success) return name.data;
    throw new ThroughlineError('usage', `"${each}" is no name of a connection`, {
      action: 'separate names by commas: --connections shop-db,shop-copy',
    });
  });
}

async function connectionsOfLastTime(
  state: Awaited<ReturnType<typeof stateOf>>,
  url: string,
): Promise<string[]> {
  const { ports } = await state.settings();
  return Object.keys(ports)
    .filter((key) => key.startsWith(`${url} `))
    .map((key) => key.slice(url.length + 1));
}

/** Says what changes: a line for each tunnel that opens or fails, for each notice, for the gateway's coming and going. */
function teller(context: Context, end: (reason: ThroughlineError) => void) {
  const told = new Map<string, string>();
  let reach: string | undefined;
  let recordTold: string | undefined;
  return <N extends EventName>(name: N, payload: EventPayload<N>): void => {
    if (name === 'tunnels.changed') {
      for (const tunnel of payload as readonly TunnelView[]) {
        const { connection, state, port, error } = tunnel;
        const now = `${state} ${port} ${error?.message ?? ''}`;
        if (state === 'opening' || told.get(connection) === now) continue;
        told.set(connection, now);
        sayTunnel(context, tunnel);
      }
    }
    if (name === 'notice') {
      const { level, title, text } = payload as EventPayload<'notice'>;
      if (context.json) printJson(context.stdout, { at: now(), notice: { level, title, text } });
      else print(context.stderr, yellow(title), `: ${text}`);
    }
    if (name === 'app.changed') {
      const { gateway, signIn, spool, logConflict } = payload as AppState;
      const record = recordTrouble(spool, logConflict);
      if (record !== recordTold) {
        recordTold = record;
        if (context.json) printJson(context.stdout, { at: now(), record: record ?? 'well' });
        else print(context.stderr, record === undefined ? 'this desktop records again' : yellow(record));
      }
      if (gateway !== undefined && signIn.state === 'signed-out' && reach === 'connected') {
        end(new ThroughlineError('not-signed-in', 'the sign-in has ended', { action: 'throughline login' }));
      }
      if (gateway === undefined || gateway.reach === reach || gateway.reach === 'connecting') return;
      reach = gateway.reach;
      if (context.json) printJson(context.stdout, { at: now(), gateway: { url: gateway.url, reach } });
      else print(context.stderr, `gateway ${gateway.url}: ${reach}`);
    }
  };
}

/** What keeps this desktop's own record from the gateway for longer than a network's mood; undefined: nothing. */
function recordTrouble(spool: AppState['spool'], conflict: AppState['logConflict']): string | undefined {
  if (conflict !== undefined)
    return `the audit log is not the one that this desktop knows: ${conflict.why}; see throughline receipts`;
  if (spool === undefined) return undefined;
  if (!spool.working) return `this desktop cannot record: ${spool.trouble ?? 'the disk refuses'}`;
  const [refused] = spool.refused;
  return refused && `the gateway does not take segment ${refused.segment}: ${refused.reason}`;
}

function sayTunnel(
  context: Context,
  { connection, state, host, port, user, database, password, lines, error }: TunnelView,
): void {
  if (context.json) {
    const secret = password === undefined ? {} : { password };
    const place = state === 'open' ? { host, port, user, database, ...secret, command: lines[0]?.text } : {};
    const failure = error === undefined ? {} : { error: { code: error.code, message: error.message } };
    return printJson(context.stdout, { at: now(), tunnel: { connection, state, ...place, ...failure } });
  }
  if (state === 'open')
    return print(context.stdout, bold(connection), `  ${host}:${port}  ${lines[0]?.text ?? ''}`);
  print(context.stderr, yellow(connection), `  not open: ${error?.message ?? state}`);
}

const now = (): string => new Date().toISOString();

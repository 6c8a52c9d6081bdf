import { shellWord } from '../../agent/tunnel/lines.js';
import { type Context, type Input, type Run, stateOf } from '../context.js';
import { loadServer, type StartedGateway, type StartOptions } from '../gateway-server.js';
import { bold, dim, print, printJson } from '../output.js';
import { parseEndpoint } from '../values.js';

type Ready = StartedGateway['ready'];

export const run: Run = async (context, input) => {
  const options = startOptions(context, input);
  const server = context.server ?? (await loadServer({ threads: true }));
  const gateway = await server.startGateway(options);
  const { ready } = gateway;
  await note(context, ready.url, ready);
  // Before the line that says so: who has read it may end the gateway at once.
  const stop = stopOnSignals(context, gateway);
  if (context.json) printJson(context.stdout, { ready: true, ...ready });
  else announce(context, ready, input.flag('demo'));
  try {
    await gateway.closed;
  } finally {
    stop();
    await note(context, ready.url, undefined);
  }
};

/** Flags before `THROUGHLINE_*` variables; what neither says is the config file's, then the gateway's own default. */
function startOptions(context: Context, input: Input): StartOptions {
  const said = (flag: string, variable: string): string | undefined =>
    input.text(flag) ?? (context.env[variable] || undefined);
  const dataDir = said('data', 'THROUGHLINE_DATA');
  const keysDir = said('keys', 'THROUGHLINE_KEYS');
  const listen = said('listen', 'THROUGHLINE_LISTEN');
  const configFile = said('config', 'THROUGHLINE_CONFIG');
  return {
    demo: input.flag('demo'),
    json: context.json,
    ...(dataDir === undefined ? {} : { dataDir }),
    ...(keysDir === undefined ? {} : { keysDir }),
    ...(listen === undefined ? {} : { listen: parseEndpoint(listen, '--listen') }),
    ...(configFile === undefined ? {} : { configFile }),
  };
}

/**
 * Writes down, or takes out, where the CA of this gateway is, so that `login` on this machine can trust it without
 * a question. A gateway runs without that too: nothing here may stop it.
 */
async function note(context: Context, url: string, ready: Ready | undefined): Promise<void> {
  try {
    const state = await stateOf(context);
    await state.changeSettings((settings) => {
      const { [url]: _, ...others } = settings.local;
      if (ready === undefined) return { ...settings, local: others };
      const { ca, demoSecret } = ready;
      const noted = { ca, ...(demoSecret === undefined ? {} : { demoSecret }) };
      return { ...settings, local: { ...others, [url]: noted } };
    });
  } catch (error) {
    const { failureOf } = await import('../failure.js');
    print(context.stderr, dim(`login will not find this gateway by itself: ${failureOf(error).message}`));
  }
}

function announce({ stdout }: Context, ready: Ready, demo: boolean): void {
  print(stdout, 'The gateway accepts connections at ', bold(ready.url));
  print(stdout, `  CA certificate  ${ready.ca}`);
  for (const [name, address] of Object.entries(ready.listeners)) {
    print(stdout, `  ${name.padEnd(14)}  ${address} (takes handles)`);
  }
  print(stdout);
  print(stdout, 'Try it in another terminal:');
  print(stdout);
  const login = `throughline login --gateway ${ready.url}`;
  if (demo && ready.demoSecret !== undefined) {
    print(stdout, `  ${login} --demo-user contractor --demo-secret ${shellWord(ready.demoSecret)}`);
    print(stdout, '  throughline exec shop-db -- psql');
  } else {
    print(stdout, `  ${login}`);
    print(stdout, '  throughline connections');
  }
  print(stdout);
  print(stdout, dim('In a clone: npx throughline ... Ctrl-C ends the gateway.'));
}

/** The first signal lets sessions end in order, the second one does not wait. */
function stopOnSignals({ stderr }: Context, gateway: StartedGateway): () => void {
  let stopping = false;
  const stop = (signal: 'SIGINT' | 'SIGTERM'): void => {
    if (stopping) process.exit(signal === 'SIGINT' ? 130 : 143);
    stopping = true;
    print(stderr, 'Ending sessions and closing; once more to end at once.');
    gateway.close().catch((error: unknown) => {
      print(stderr, `closing failed: ${error instanceof Error ? error.message : 'unknown'}`);
      process.exit(1);
    });
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  // The desktop starts its demo gateway with a channel that carries nothing: it closes when the desktop is gone.
  const orphaned = (): void => {
    if (!stopping) stop('SIGTERM');
  };
  if (process.connected) process.once('disconnect', orphaned);
  process.channel?.unref();
  return () => {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    process.off('disconnect', orphaned);
    // Whose channel it is may not be ours to decide any more: a test's process lives by it.
    process.channel?.ref();
  };
}

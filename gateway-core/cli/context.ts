import type { Readable } from 'node:stream';
import type { Gateway } from '../agent/client/gateway.js';
import type { ClientState } from '../agent/client/state.js';
import type { DesktopRecording } from '../agent/recording/recording.js';
import type { GatewayServer } from './gateway-server.js';
import type { Output } from './output.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** What a command sees of the world. */
export interface Context {
  readonly env: Environment;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Output;
  readonly stderr: Output;
  readonly version: string;
  /** `--json` was given. */
  readonly json: boolean;
  /** Opens a page in the person's browser, or does nothing. */
  readonly openBrowser?: (url: string) => void;
  /** In place of the real gateway: for tests. */
  readonly server?: GatewayServer;
}

/** Arguments and options of one call, as text: each command reads its own. */
export interface Input {
  readonly arguments: readonly string[];
  /** The value of `--name VALUE`. */
  text(name: string): string | undefined;
  /** Whether `--name` stands there. */
  flag(name: string): boolean;
}

/** A command's exit status; nothing means 0. */
export type Run = (context: Context, input: Input) => Promise<number | undefined | void>;

/** The one argument that a command's form guarantees. */
export function argument(input: Input, position = 0): string {
  const value = input.arguments[position];
  if (value === undefined) throw new Error('commander lets no required argument be missing');
  return value;
}

export async function stateOf(context: Context): Promise<ClientState> {
  const { openState } = await import('../agent/client/state.js');
  return openState(context.env);
}

export const defaultGateway = 'https://127.0.0.1:7443';

/** `--gateway`, `THROUGHLINE_GATEWAY`, the gateway of the last sign-in, in that order. */
export async function chosenGateway(
  context: Context,
  input: Input,
  state: ClientState,
): Promise<string | undefined> {
  const variable = context.env['THROUGHLINE_GATEWAY'];
  const said = input.text('gateway') ?? (variable === '' ? undefined : variable);
  return said ?? (await state.settings()).gateway;
}

/** Runs `work` with the gateway that the call means, as the person who is signed in; closes it afterwards. */
export async function withGateway<T>(
  context: Context,
  input: Input,
  work: (gateway: Gateway, state: ClientState) => Promise<T>,
  recorderOf?: (state: ClientState) => Promise<DesktopRecording>,
): Promise<T> {
  const [state, { openGateway }] = await Promise.all([
    stateOf(context),
    import('../agent/client/gateway.js'),
  ]);
  const url = (await chosenGateway(context, input, state)) ?? defaultGateway;
  const [{ inheritedDelegation }, { requestLineage }] = await Promise.all([
    import('../agent/client/inherited.js'),
    import('../agent/tunnel/behind.js'),
  ]);
  const recorder = await recorderOf?.(state);
  const gateway = await openGateway(url, {
    state,
    lineage: await requestLineage(state),
    delegation: inheritedDelegation(context.env),
    recorder,
  });
  recorder?.attach(gateway);
  try {
    return await work(gateway, state);
  } finally {
    await recorder?.close(uploadAtEndMs);
    gateway.close();
  }
}

/** What a command that is done still waits for its own records to reach the gateway; later ones bring the rest. */
const uploadAtEndMs = 3000;

/** The same for commands that open sessions: this side of them is recorded. */
export function withRecordedGateway<T>(
  context: Context,
  input: Input,
  work: (gateway: Gateway, state: ClientState) => Promise<T>,
): Promise<T> {
  return withGateway(context, input, work, async (state) => {
    const { DesktopRecording: Recording } = await import('../agent/recording/recording.js');
    return new Recording({ state, version: context.version });
  });
}

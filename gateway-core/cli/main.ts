import type { Context } from './context.js';
import type { Failure } from './failure.js';
import { keepRoomForBuffers } from './heap.js';
import { loaders } from './loaders.js';
import { wantsColour } from './output.js';
import { type Parsed, parseArguments } from './program.js';
import type { CommandSpec } from './specs.js';

const usageStatus = 2;
/** Through these processes streams pass. */
const carriers: ReadonlySet<string> = new Set(['up', 'connect', 'exec', 'run', 'agent']);

/** The world as this process has it. */
export function processContext(version: string): Omit<Context, 'json'> {
  const output = (stream: NodeJS.WriteStream) => ({
    write: (text: string) => stream.write(text),
    get isTTY() {
      return stream.isTTY;
    },
    get columns() {
      return stream.columns;
    },
    colour: wantsColour(stream.isTTY, process.env),
  });
  return {
    env: process.env,
    stdin: process.stdin,
    stdout: output(process.stdout),
    stderr: output(process.stderr),
    version,
  };
}

/**
 * The `throughline` command.
 * @param argv without node and script
 * @returns the exit status
 */
export async function main(
  argv: readonly string[],
  world: { version: string } | Omit<Context, 'json'>,
): Promise<number> {
  const base = 'stdout' in world ? world : processContext(world.version);
  if (!('stdout' in world)) surviveClosedPipe();
  // Only before `--`: what stands behind it belongs to another program.
  const own = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  const context: Context = { ...base, json: own.includes('--json') };
  const columns = context.stdout.columns ?? 80;
  const parsed = parseArguments(argv, base.version, { out: (text) => context.stdout.write(text), columns });
  switch (parsed.kind) {
    case 'shown':
      return 0;
    case 'usage':
      return fail(context, parsed.spec, usageFailure(parsed.message, parsed.spec));
    case 'run':
      if (!('stdout' in world) && carriers.has(parsed.spec.name)) keepRoomForBuffers();
      return run(context, parsed);
  }
}

async function run(context: Context, { spec, input }: Extract<Parsed, { kind: 'run' }>): Promise<number> {
  try {
    const command = await loaders[spec.name]?.();
    if (command === undefined) throw new Error(`no code for ${spec.name}`);
    return (await command.run(context, input)) ?? 0;
  } catch (error) {
    const { failureOf } = await import('./failure.js');
    return fail(context, spec, failureOf(error));
  }
}

async function fail(context: Context, spec: CommandSpec | undefined, failure: Failure): Promise<number> {
  const { printFailure } = await import('./failure.js');
  printFailure(context.stderr, failure, context.json);
  return spec?.failureStatus ?? failure.status;
}

function usageFailure(message: string, spec: CommandSpec | undefined): Failure {
  const help = spec === undefined ? 'throughline --help' : `throughline ${spec.name} --help`;
  return { code: 'usage', message, action: `see: ${help}`, status: usageStatus };
}

/** `throughline sessions | head`: the reader has seen enough, which is no failure of ours. */
function surviveClosedPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}

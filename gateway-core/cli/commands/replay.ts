import { setTimeout as sleep } from 'node:timers/promises';
import { api } from '../../agent/client/api.js';
import { statementContent } from '../../codec/content.js';
import type { ReplayItem } from '../../contract/api.js';
import { ThroughlineError } from '../../contract/errors.js';
import { bundlePaths } from '../../contract/evidence.js';
import { SessionId } from '../../contract/ids.js';
import { replayBundle } from '../../evidence/replay.js';
import { verifyBundle } from '../../evidence/verify/index.js';
import { inflate } from '../../evidence/zip/node.js';
import { ZipError, ZipReader } from '../../evidence/zip/read.js';
import { withBundleFile } from '../bundle-file.js';
import { type Context, type Input, type Run, withGateway } from '../context.js';
import { followSession } from '../follow.js';
import { print, printJson } from '../output.js';
import { type ReplayPart, writeReplayPart } from '../replay-file.js';
import { createReplayPrinter } from '../replay-printer.js';
import { onSignal } from '../signals.js';
import { createTerminalPlayer } from '../terminal-player.js';

/** A pause in the session is not sat out in full: the printer says how long it was. */
const pauseMsMax = 10_000;

export const run: Run = async (context, input) => {
  const speed = speedOf(input.text('speed'));
  const [subject = '', session] = input.arguments;
  const follows = input.flag('follow');
  if (follows && (speed !== undefined || input.flag('asciicast') || !SessionId.safeParse(subject).success))
    throw new ThroughlineError('usage', '--follow takes a session that runs, and no --speed or --asciicast');
  if (follows) return withGateway(context, input, (gateway) => followSession(context, gateway, subject));
  if (!SessionId.safeParse(subject).success)
    return replayFile(context, input, { speed, path: subject, session });
  if (session !== undefined)
    throw new ThroughlineError(
      'usage',
      'a session of a file comes after the file: throughline replay FILE SESSION',
    );
  const saved = savedOf(input);
  return withGateway(context, input, async (gateway) => {
    if (saved !== undefined) return save(context, api.recording(gateway, subject), saved);
    const shown = await show(context, api.recording(gateway, subject), speed);
    if (shown.problems === 0 && shown.deleted !== undefined && shown.others === 0) {
      throw new ThroughlineError('not-found', shown.deleted, {
        action: 'ask who runs the gateway how long recordings are kept: `retention` in its config',
      });
    }
    if (shown.problems === 0) return 0;
    throw new ThroughlineError('verification-failed', 'the recording has a hole or does not fit its seal', {
      action: 'run `throughline log verify` and keep a copy of the data directory',
    });
  });
};

interface Shown {
  readonly problems: number;
  readonly others: number;
  /** What retention has deleted, in words. */
  readonly deleted: string | undefined;
}

async function show(
  context: Context,
  items: AsyncIterable<ReplayItem>,
  speed: number | undefined,
): Promise<Shown> {
  const printer = createReplayPrinter(context.stdout);
  const plays = speed !== undefined && context.stdout.isTTY === true && !context.json;
  const player = plays ? createTerminalPlayer(context.stdout) : undefined;
  let lastMs = 0;
  let problems = 0;
  let others = 0;
  let deleted: string | undefined;
  // Whoever has seen enough gets their screen back.
  const left = new AbortController();
  const unheard = player === undefined ? undefined : onSignal(() => left.abort());
  try {
    for await (const item of items) {
      // Another session of a file begins at its own zero.
      if (item.kind === 'session') lastMs = 0;
      if (speed !== undefined && 'atMs' in item) {
        printer.flush();
        const waitMs = Math.min(Math.max(0, item.atMs - lastMs) / speed, pauseMsMax);
        await sleep(waitMs, undefined, { signal: left.signal }).catch(() => undefined);
        if (left.signal.aborted) break;
        lastMs = item.atMs;
      }
      if (item.kind === 'problem') {
        if (item.code === 'deleted-by-retention') deleted = item.text;
        else problems += 1;
      } else others += 1;
      if (context.json) printJson(context.stdout, item);
      else if (player?.add(item) !== true) printer.add(item);
    }
  } finally {
    player?.stop();
    unheard?.();
  }
  if (left.signal.aborted) return { problems: 0, others: 1, deleted: undefined };
  printer.flush();
  return { problems, others, deleted };
}

interface Saved {
  readonly path: string;
  readonly part: ReplayPart;
  readonly wanted: number | undefined;
}

function savedOf(input: Input): Saved | undefined {
  const path = input.text('output');
  const asciicast = input.flag('asciicast');
  const file = input.flag('file');
  if (asciicast && file) throw new ThroughlineError('usage', 'one of --asciicast and --file');
  if (!asciicast && !file) {
    if (path === undefined) return undefined;
    throw new ThroughlineError('usage', '-o is where to write with --asciicast or --file');
  }
  if (path === undefined || path === '')
    throw new ThroughlineError('usage', 'say where to: -o FILE', { action: 'for example -o session.cast' });
  const statement = input.text('statement');
  if (statement !== undefined && !/^\d{1,9}$/.test(statement))
    throw new ThroughlineError('usage', '--statement takes the number of a statement');
  return {
    path,
    part: asciicast ? 'terminal' : 'file',
    wanted: statement === undefined ? undefined : Number(statement),
  };
}

async function save(context: Context, items: AsyncIterable<ReplayItem>, saved: Saved): Promise<number> {
  const { seq, others, problems } = await writeReplayPart(items, saved.path, saved);
  if (context.json) printJson(context.stdout, { file: saved.path, statement: seq, others, problems });
  else print(context.stdout, `${saved.path}: the ${saved.part} of statement ${seq}`);
  if (others.length > 0)
    print(
      context.stderr,
      `this session has more ${saved.part}s: --statement ${others.slice(0, 20).join(', ')}`,
    );
  if (problems === 0) return 0;
  throw new ThroughlineError('verification-failed', 'the recording has a hole or does not fit its seal');
}

interface FileReplay {
  readonly path: string;
  readonly session: string | undefined;
  readonly speed: number | undefined;
}

/** From an offline bundle, checked first: nobody should believe a replay of what was changed. */
function replayFile(context: Context, input: Input, { path, session, speed }: FileReplay): Promise<number> {
  return withBundleFile(path, input.text('identity'), async (source) => {
    const { ok, problems } = await verifyBundle(source, { inflate });
    const [first] = problems;
    if (first !== undefined && !context.json)
      print(context.stderr, `this bundle does not hold: ${first.code} at ${first.where}: ${first.message}`);
    const saved = savedOf(input);
    const replayed = await readable(path, async () => {
      const zip = await ZipReader.open(source, inflate);
      if (saved !== undefined) {
        const [id] = chosenSessions(zip, session);
        if (id === undefined) return 0;
        await save(context, replayBundle(zip, id, statementContent), saved);
        return 1;
      }
      let others = 0;
      for (const id of chosenSessions(zip, session)) {
        const shown = await show(context, replayBundle(zip, id, statementContent), speed);
        others += shown.others;
      }
      return others;
    });
    if (ok && replayed === 0)
      throw new ThroughlineError('not-found', 'the recording was deleted before the export', {
        action: 'see `throughline verify` for what the log still proves',
      });
    if (ok) return 0;
    throw new ThroughlineError('verification-failed', `${path} is not as it was exported`, {
      action: `see what was changed: throughline verify ${path}`,
    });
  });
}

async function readable<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof ZipError)) throw cause;
    throw new ThroughlineError(
      'verification-failed',
      `${path} cannot be read as a bundle: ${cause.message}`,
      {
        action: `see what is wrong: throughline verify ${path}`,
        cause,
      },
    );
  }
}

/** The one that was asked for, or all, in the order of their time. */
function chosenSessions(zip: ZipReader, asked: string | undefined): readonly SessionId[] {
  const there = [...zip.entries.keys()].flatMap((path) => {
    const id = SessionId.safeParse(path.split('/')[1]);
    return id.success && path === bundlePaths.events(id.data) ? [id.data] : [];
  });
  const chosen = asked === undefined ? there.sort() : there.filter((id) => id === asked);
  if (chosen.length > 0) return chosen;
  throw new ThroughlineError(
    'not-found',
    `there is no session${asked === undefined ? '' : ` ${asked.slice(0, 64)}`} in it`,
    {
      action: there.length === 0 ? 'is it an evidence bundle?' : `it holds ${there.slice(0, 5).join(', ')}`,
    },
  );
}

function speedOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const speed = /^\d{1,4}(\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  if (speed > 0) return speed;
  throw new ThroughlineError(
    'usage',
    '--speed takes a number above 0: 1 is as it was, 10 is ten times faster',
  );
}

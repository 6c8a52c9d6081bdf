import { setTimeout as sleep } from 'node:timers/promises';
import { api } from '../../agent/client/api.js';
import { ThroughlineError } from '../../contract/errors.js';
import { argument, type Run, withGateway } from '../context.js';
import { printJson } from '../output.js';
import { createReplayPrinter } from '../replay-printer.js';

/** A pause in the session is not sat out in full: the printer says how long it was. */
const pauseMsMax = 10_000;

export const run: Run = (context, input) => {
  const speed = speedOf(input.text('speed'));
  return withGateway(context, input, async (gateway) => {
    const printer = createReplayPrinter(context.stdout);
    let lastMs = 0;
    let problems = 0;
    let others = 0;
    let deleted: string | undefined;
    for await (const item of api.recording(gateway, argument(input))) {
      if (speed !== undefined && 'atMs' in item) {
        printer.flush();
        await sleep(Math.min(Math.max(0, item.atMs - lastMs) / speed, pauseMsMax));
        lastMs = item.atMs;
      }
      if (item.kind === 'problem') {
        if (item.code === 'deleted-by-retention') deleted = item.text;
        else problems += 1;
      } else others += 1;
      if (context.json) printJson(context.stdout, item);
      else printer.add(item);
    }
    printer.flush();
    if (problems === 0 && deleted !== undefined && others === 0) {
      throw new ThroughlineError('not-found', deleted, {
        action: 'ask who runs the gateway how long recordings are kept: `retention` in its config',
      });
    }
    if (problems === 0) return 0;
    throw new ThroughlineError('verification-failed', 'the recording has a hole or does not fit its seal', {
      action: 'run `throughline log verify` and keep a copy of the data directory',
    });
  });
};

function speedOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const speed = /^\d{1,4}(\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  if (speed > 0) return speed;
  throw new ThroughlineError(
    'usage',
    '--speed takes a number above 0: 1 is as it was, 10 is ten times faster',
  );
}

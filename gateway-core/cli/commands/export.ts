import { api } from '../../agent/client/api.js';
import type { Gateway } from '../../agent/client/gateway.js';
import { saveBundle } from '../../agent/evidence/save.js';
import { ThroughlineError } from '../../contract/errors.js';
import { EvidenceRequest, type EvidenceSubject } from '../../contract/evidence.js';
import { SessionId } from '../../contract/ids.js';
import { type Input, type Run, withGateway } from '../context.js';
import { printJson } from '../output.js';

export const run: Run = (context, input) => {
  const request = requestOf(input);
  const file = input.text('output');
  if (file === undefined || file === '')
    throw new ThroughlineError('usage', 'say where to: -o FILE', { action: 'for example -o evidence.zip' });
  return withGateway(context, input, async (gateway) => {
    const sessions = await sessionsOf(gateway, request.subject);
    const { bytes, sha256 } = await saveBundle(gateway, {
      request,
      file,
      to: recipients(input),
      force: input.flag('force'),
    });
    if (context.json) {
      printJson(context.stdout, { file, bytes, sha256, sessions });
      return 0;
    }
    const count = `${sessions.length} session${sessions.length === 1 ? '' : 's'}`;
    context.stdout.write(`${file}: ${count}, ${bytes} bytes\nsha256 ${sha256}\n`);
    const sealed = recipients(input).length > 0;
    context.stdout.write(
      sealed
        ? `check it: throughline verify ${file} --identity KEYFILE\n`
        : `check it: throughline verify ${file}\n`,
    );
    return 0;
  });
};

function requestOf(input: Input): EvidenceRequest {
  const [session] = input.arguments;
  const agent = input.text('agent');
  if ((session === undefined) === (agent === undefined)) {
    throw new ThroughlineError('usage', 'name one session, or an agent with --agent ID', {
      action: 'list them: throughline sessions, throughline agents',
    });
  }
  const reason = input.text('reason');
  const parsed = EvidenceRequest.safeParse({
    subject: session === undefined ? { kind: 'agent', id: agent } : { kind: 'session', id: session },
    ...(input.text('results') === undefined ? {} : { results: resultsOf(input.text('results') ?? '') }),
    ...(reason === undefined ? {} : { reason }),
  });
  if (parsed.success) return parsed.data;
  const isSession = session !== undefined && !SessionId.safeParse(session).success;
  throw new ThroughlineError(
    'usage',
    isSession ? `${session.slice(0, 64)} is no session` : '--results takes ndjson, csv and parquet, or none',
    { action: isSession ? 'list them: throughline sessions' : 'for example --results csv,parquet' },
  );
}

function resultsOf(text: string): string[] {
  return text === 'none' ? [] : [...new Set(text.split(','))];
}

function recipients(input: Input): string[] {
  return (input.text('to') ?? '').split(',').filter((each) => each !== '');
}

/** Oldest first, as in the bundle. */
async function sessionsOf(gateway: Gateway, subject: EvidenceSubject): Promise<string[]> {
  if (subject.kind === 'session') return [subject.id];
  return (await api.sessions(gateway, { of: subject.id })).map(({ id }) => id).reverse();
}

import { writeReport } from '../../codec/postgres/backend-writers.js';
import { type Bind, formatAt, writeParse, writeQuery } from '../../codec/postgres/frontend.js';
import { isTextLike } from '../../codec/postgres/types.js';
import type { MessageWriter } from '../../codec/postgres/writer.js';
import { limits } from '../../contract/limits.js';
import { decideStatement, expectReply, isFailure, type SessionContext } from './context.js';
import type { Judged, Judgement } from './judged.js';
import { copyMasker } from './result-masker.js';
import { Running } from './running.js';

/** What goes to the target in place of a refused statement: no grammar accepts it, so it does nothing but fail. */
const refusalText = 'throughline refused this statement';
/** Writes the intent of one statement and makes it running. */
export function intend(
  context: SessionContext,
  judged: Judged,
  parameters: readonly (string | null)[] | undefined,
  done: Parameters<typeof decideStatement>[1]['done'],
): Running {
  const seq = decideStatement(context, {
    decided: {
      decision: 'allowed',
      policy: [...judged.grounds.policies],
      policyVersion: judged.grounds.policyVersion,
      action: judged.facts.action,
      command: judged.facts.command,
      payload: {
        text: judged.keptText,
        ...(parameters === undefined || parameters.length === 0 ? {} : { parameters: [...parameters] }),
        exactHash: judged.exactHash,
      },
    },
    // `grouped` lets a plain read go before the disk has it, and nothing else.
    durability: judged.facts.action === 'sql:read' ? context.intentDurability : 'durable',
    done,
  });
  const statement = new Running(seq, judged, context.nowUs(), context.keepBytesMax);
  if (judged.facts.copy?.direction === 'from') {
    statement.copyInMasker = copyMasker(judged.facts.copy, judged.copyInMask);
    context.copies.add(statement);
  }
  forgetNames(context, judged);
  context.judge.started(judged);
  return statement;
}

/**
 * SQL shares its names with the protocol: PREPARE, DEALLOCATE and DECLARE change what a Bind or Execute of the same
 * name would run. What we knew under the name is forgotten, so that it can no longer be run as something it is not.
 */
function forgetNames(context: SessionContext, judged: Judged): void {
  const { prepared, portals } = context;
  const { command, defines, refersTo } = judged.facts;
  if (defines?.kind === 'prepared') prepared.delete(defines.name);
  if (defines?.kind === 'cursor') portals.delete(defines.name);
  if (command.startsWith('DEALLOCATE')) {
    if (refersTo === undefined) prepared.clear();
    else prepared.delete(refersTo.name);
  }
  if (command.startsWith('DISCARD')) {
    prepared.clear();
    portals.clear();
  }
}

/** Audits the refusal and puts a text in its place that fails: order, skipping and transaction state stay the server's. */
export function refuse(
  context: SessionContext,
  writer: MessageWriter,
  text: string,
  refused: Extract<Judgement, { kind: 'refused' }>,
  parameters: readonly (string | null)[] | undefined,
  simple: boolean,
): void {
  for (const each of refused.statements) {
    decideStatement(context, {
      decided: {
        decision: 'denied',
        policy: [...each.grounds.policies],
        policyVersion: each.grounds.policyVersion,
        action: each.action,
        command: each.command,
        payload: {
          text: each.keptText,
          ...(parameters === undefined || parameters.length === 0 ? {} : { parameters: [...parameters] }),
          message: each.keptMessage,
          exactHash: each.exactHash,
        },
      },
      // A denial that is lost would be an attempt that nobody sees.
      durability: context.intentDurability,
      done: (result) => {
        if (isFailure(result)) context.fail('not-recordable', result.message);
      },
    });
  }
  const first = refused.statements.find((each) => each.decisive) ?? refused.statements[0];
  const where = first?.position;
  writeReport(writer, {
    severity: 'ERROR',
    code: refused.sqlState,
    message: `throughline: ${first?.message ?? 'the statement is refused'}`,
    detail:
      first === undefined || first.grounds.policies.length === 0
        ? undefined
        : `Policy: ${first.grounds.policies.join(', ')} (version ${first.grounds.policyVersion}).`,
    hint: refused.hint,
    ...(where === undefined || where > text.length ? {} : { position: charactersBefore(text, where) }),
  });
  const error = writer.take();
  if (simple) writeQuery(writer, refusalText);
  else writeParse(writer, { statement: '', text: refusalText });
  expectReply(context, { kind: 'refusal', error, simple });
  context.queue.upkeep(writer.take());
}

/** Parameters as they are kept: text where the bytes are text, else their length. */
export function keptParameters(
  buffer: Uint8Array,
  bind: Bind,
  types: readonly number[],
  judged: Judged | undefined,
): (string | null)[] {
  const count = Math.min(bind.valueStarts.length, limits.keptParametersMax);
  const kept: (string | null)[] = [];
  for (let index = 0; index < count; index += 1) {
    const start = bind.valueStarts[index] ?? 0;
    const length = bind.valueLengths[index] ?? -1;
    const type = types[index] ?? 0;
    if (length < 0) kept.push(null);
    else if (formatAt(bind.parameterFormats, index) === 1 && !isTextLike(type))
      kept.push(`(${length} bytes)`);
    else {
      const end = start + Math.min(length, limits.keptTextBytesMax);
      const text = Buffer.from(buffer.subarray(start, end)).toString('utf8');
      kept.push(judged === undefined ? '[masked]' : judged.keptParameter(text));
    }
  }
  return kept;
}

/** What the client copies in, as it is kept. */
export function recordCopy(context: SessionContext, statement: Running, data: Uint8Array): void {
  const masked = statement.copyInMasker?.push(data);
  statement.bytes += data.length;
  if (masked === undefined || masked.length === 0) return;
  if (statement.keeps(masked)) context.recorder.content(context.id, statement.seq, 'copy-in', masked);
}

/** PostgreSQL counts characters, from 1; a JavaScript string has two units for some of them. */
function charactersBefore(text: string, position: number): number {
  return Array.from(text.slice(0, position - 1)).length + 1;
}

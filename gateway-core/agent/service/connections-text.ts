import { parse } from 'yaml';
import { ConnectionsFile } from '../../contract/connection.js';
import { ThroughlineError } from '../../contract/errors.js';

/**
 * Connections as a person writes them: YAML or JSON, `connections: [...]`, a list, or one. A certificate authority is
 * given as PEM text here: no path of this machine is read for a window.
 * @returns as they were written, checked, for the gateway to check again. @throws ThroughlineError invalid-config
 */
export function readConnections(text: string): readonly unknown[] {
  let value: unknown;
  try {
    // No aliases: connections have no use for them, and they make small texts explode.
    value = parse(text, { maxAliasCount: 0 });
  } catch (cause) {
    throw invalid(cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : 'it is no YAML');
  }
  const connections = listOf(value);
  const checked = ConnectionsFile.safeParse({ connections });
  if (checked.success) return connections;
  const [issue] = checked.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.join('.')}`;
  throw invalid(`${issue?.message ?? 'it does not fit'}${where}`);
}

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value as unknown[];
  if (typeof value !== 'object' || value === null) return [];
  const { connections } = value as { connections?: unknown };
  if (connections === undefined) return [value];
  return Array.isArray(connections) ? (connections as unknown[]) : [];
}

function invalid(why: string): ThroughlineError {
  return new ThroughlineError('invalid-config', why, { action: 'correct the text and save again' });
}

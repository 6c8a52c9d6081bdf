import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { ConnectionsFile } from '../contract/connection.js';
import { ThroughlineError } from '../contract/errors.js';
import type { Context } from './context.js';
import { readInputFile, readTextFile } from './files.js';

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads `admin connections add FILE`: YAML or JSON, `connections: [...]`, a list, or one connection. A CA that is
 * named as a file is read here, relative to FILE: the gateway never opens a path of the client.
 * @returns the connections as they were written, checked against the contract, for the gateway to check again
 * @throws ThroughlineError usage, invalid-config, too-large
 */
export async function readConnectionsFile(context: Context, path: string): Promise<readonly unknown[]> {
  const text = await readInputFile(context, path);
  const directory = path === '-' ? process.cwd() : dirname(resolve(path));
  const connections = await Promise.all(listOf(parseYaml(text, path)).map((one) => withCa(one, directory)));
  const checked = ConnectionsFile.safeParse({ connections });
  if (checked.success) return connections;
  const [issue] = checked.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.join('.')}`;
  throw invalid(path, `${issue?.message ?? 'it does not fit'}${where}`);
}

function invalid(path: string, why: string): ThroughlineError {
  return new ThroughlineError('invalid-config', `${path === '-' ? 'standard input' : path}: ${why}`, {
    action: 'correct the file and try again',
  });
}

/** No aliases: connections have no use for them, and they make small files explode. */
function parseYaml(text: string, path: string): unknown {
  try {
    return parse(text, { maxAliasCount: 0, prettyErrors: false }) as unknown;
  } catch (error) {
    // Only the first line: the rest of a parser's message can quote the file, and with it a password.
    const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'unknown';
    throw invalid(path, `it is not readable YAML (${why})`);
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function listOf(document: unknown): readonly unknown[] {
  if (Array.isArray(document)) return document as readonly unknown[];
  if (!isFields(document)) return [];
  const { connections } = document;
  if (Array.isArray(connections)) return connections as readonly unknown[];
  return 'name' in document ? [document] : [];
}

/** `ca: PEM`, `ca: PATH` or `ca: {file: PATH}` with PEM in place of the path. */
async function withCa(connection: unknown, directory: string): Promise<unknown> {
  if (!isFields(connection) || !isFields(connection['tls'])) return connection;
  const { ca } = connection['tls'];
  const path = isFields(ca) ? ca['file'] : ca;
  if (typeof path !== 'string' || path.includes('-----BEGIN')) return connection;
  const pem = await readTextFile(resolve(directory, path));
  if (!pem.includes('-----BEGIN CERTIFICATE-----')) {
    throw new ThroughlineError('invalid-config', `${path} holds no certificate (PEM)`);
  }
  return { ...connection, tls: { ...connection['tls'], ca: pem } };
}

import type { editor } from 'monaco-editor/editor';
import type { SchemaObject } from '../../../../gateway-core/contract/bridge/sql.js';
import { catalogOf, readColumns } from '../catalogs.js';
import type { Catalog } from '../text/catalog.js';
import type { Document } from './document.js';

/** What completion and hover need to know of the tab that a text belongs to. */
export interface Host {
  readonly document: Document;
  readonly connection: () => string;
}

const hosts = new WeakMap<editor.ITextModel, Host>();

export function addHost(model: editor.ITextModel, host: Host): void {
  hosts.set(model, host);
}
export function hostOf(model: editor.ITextModel): Host | undefined {
  return hosts.get(model);
}

const patienceMs = 1500;

/**
 * Asks something of the schema; where tables are missing for the answer, reads them and asks again. A database that
 * is slow gets the answer without them.
 */
export async function withColumns<T>(
  connection: string,
  ask: (catalog: Catalog | undefined) => { readonly answer: T; readonly missing: readonly SchemaObject[] },
): Promise<T> {
  const first = ask(catalogOf(connection));
  if (first.missing.length === 0) return first.answer;
  const late = new Promise<void>((resolve) => setTimeout(resolve, patienceMs));
  await Promise.race([readColumns(connection, first.missing), late]);
  return ask(catalogOf(connection)).answer;
}

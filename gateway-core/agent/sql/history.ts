import { appendFile, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { HistoryEntry } from '../../contract/bridge/work.js';
import { sqlLimits } from './limits.js';
import type { SqlEngineOptions } from './options.js';

const fileBytesMax = 64 * 1024 * 1024;

/**
 * What was run in the editor on this device. Each line of the file is one sealed entry; a later one with the same id
 * takes the place of an earlier one. What cannot be opened (another key) is left out.
 */
export class History {
  readonly #options: SqlEngineOptions;
  readonly #file: string;
  #entries: Promise<Map<string, HistoryEntry>> | undefined;
  /** Writes one after the other. */
  #last: Promise<void> = Promise.resolve();
  #lines = 0;

  constructor(options: SqlEngineOptions) {
    this.#options = options;
    this.#file = join(options.history.directory, 'history.sealed');
  }

  /** Never fails: a history that cannot be written must not stop anybody's work. */
  put(entry: HistoryEntry): void {
    const kept = { ...entry, text: entry.text.slice(0, sqlLimits.historyTextCharactersMax) };
    this.#last = this.#last
      .then(async () => {
        const entries = await this.#read();
        entries.delete(kept.id);
        entries.set(kept.id, kept);
        const [oldest] = entries.keys();
        if (entries.size > sqlLimits.historyEntriesMax && oldest !== undefined) entries.delete(oldest);
        await appendFile(this.#file, `${await this.#options.history.seal(JSON.stringify(kept))}\n`, {
          mode: 0o600,
        });
        this.#lines += 1;
        if (this.#lines > sqlLimits.historyEntriesMax * 3) await this.#rewrite(entries);
      })
      .catch(() => undefined);
  }

  /** Newest first. */
  async list(wanted: {
    readonly text: string;
    readonly connection?: string | undefined;
    readonly before?: string | undefined;
    readonly count: number;
  }): Promise<HistoryEntry[]> {
    await this.#last;
    const principal = this.#options.principal();
    const all = [...(await this.#read()).values()].reverse();
    const from = wanted.before === undefined ? 0 : all.findIndex(({ id }) => id === wanted.before) + 1;
    const text = wanted.text.toLowerCase();
    return all
      .slice(from)
      .filter((entry) => entry.principal === principal)
      .filter((entry) => wanted.connection === undefined || entry.connection === wanted.connection)
      .filter((entry) => text === '' || entry.text.toLowerCase().includes(text))
      .slice(0, wanted.count);
  }

  async clear(): Promise<void> {
    await this.#last;
    this.#entries = Promise.resolve(new Map());
    this.#lines = 0;
    await rm(this.#file, { force: true });
  }

  #read(): Promise<Map<string, HistoryEntry>> {
    this.#entries ??= this.#load();
    return this.#entries;
  }

  async #load(): Promise<Map<string, HistoryEntry>> {
    const entries = new Map<string, HistoryEntry>();
    const text = await readFile(this.#file, 'utf8').catch(() => '');
    if (text.length > fileBytesMax) return entries;
    for (const line of text.split('\n')) {
      if (line === '') continue;
      this.#lines += 1;
      const entry = await this.#open(line);
      if (entry === undefined) continue;
      entries.delete(entry.id);
      // What was running when the app ended did not end by itself.
      entries.set(entry.id, entry.state === 'running' ? { ...entry, state: 'interrupted' } : entry);
    }
    return entries;
  }

  async #open(line: string): Promise<HistoryEntry | undefined> {
    const text = await this.#options.history.unseal(line).catch(() => undefined);
    if (text === undefined) return undefined;
    const parsed = z
      .string()
      .transform((value): unknown => JSON.parse(value))
      .pipe(HistoryEntry)
      .safeParse(text);
    return parsed.data;
  }

  async #rewrite(entries: ReadonlyMap<string, HistoryEntry>): Promise<void> {
    const lines: string[] = [];
    for (const entry of entries.values()) lines.push(await this.#options.history.seal(JSON.stringify(entry)));
    const fresh = `${this.#file}.new`;
    await writeFile(fresh, `${lines.join('\n')}\n`, { mode: 0o600 });
    await rename(fresh, this.#file);
    this.#lines = lines.length;
  }
}

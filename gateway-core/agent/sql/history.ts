import { appendFile, open, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HistoryEntry } from '../../contract/bridge/work.js';
import { sqlLimits } from './limits.js';
import type { SqlEngineOptions } from './options.js';

interface Kept {
  readonly entry: HistoryEntry;
  /** Of its line. */
  readonly bytes: number;
}

/**
 * What was run in the editor on this device. Each line of the file is one sealed entry; a later one with the same id
 * takes the place of an earlier one. What cannot be opened (another key, a line that was cut off) is left out.
 */
export class History {
  readonly #options: SqlEngineOptions;
  readonly #file: string;
  #entries: Promise<Map<string, Kept>> | undefined;
  /** Writes one after the other. */
  #last: Promise<void> = Promise.resolve();
  /** Of the entries, and of the file, which also holds what was replaced. */
  #bytes = 0;
  #fileBytes = 0;
  #fileLines = 0;
  /** The file's last line has no end: the app or the machine ended while it was written. */
  #torn = false;

  constructor(options: SqlEngineOptions) {
    this.#options = options;
    this.#file = join(options.history.directory, 'history.sealed');
  }

  /** Never fails: a history that cannot be written must not stop anybody's work. */
  put(entry: HistoryEntry): void {
    const kept = { ...entry, text: entry.text.slice(0, sqlLimits.historyTextCharactersMax) };
    this.#last = this.#last.then(() => this.#put(kept)).catch(() => undefined);
  }

  async #put(entry: HistoryEntry): Promise<void> {
    const entries = await this.#read();
    const line = `${await this.#options.history.seal(JSON.stringify(entry))}\n`;
    this.#keep(entries, entry, line.length);
    const torn = this.#torn;
    this.#torn = true;
    await appendFile(this.#file, torn ? `\n${line}` : line, { mode: 0o600 });
    this.#torn = false;
    this.#fileLines += 1;
    this.#fileBytes += line.length;
    const { historyEntriesMax, historyBytesMax } = sqlLimits;
    if (this.#fileLines > historyEntriesMax * 3 || this.#fileBytes > historyBytesMax)
      await this.#rewrite(entries);
  }

  /** An entry stays where it began; the oldest make room. */
  #keep(entries: Map<string, Kept>, entry: HistoryEntry, bytes: number): void {
    this.#bytes += bytes - (entries.get(entry.id)?.bytes ?? 0);
    entries.set(entry.id, { entry, bytes });
    const { historyEntriesMax, historyBytesMax } = sqlLimits;
    for (const [id, oldest] of entries) {
      if (entries.size <= historyEntriesMax && this.#bytes <= historyBytesMax / 2) return;
      entries.delete(id);
      this.#bytes -= oldest.bytes;
    }
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
    const all = [...(await this.#read()).values()].map(({ entry }) => entry).reverse();
    const last = all.findIndex(({ id }) => id === wanted.before);
    // What the page before ended with is gone: to begin again would go round in circles.
    if (wanted.before !== undefined && last < 0) return [];
    const text = wanted.text.toLowerCase();
    return all
      .slice(last + 1)
      .filter((entry) => entry.principal === principal)
      .filter((entry) => wanted.connection === undefined || entry.connection === wanted.connection)
      .filter((entry) => text === '' || entry.text.toLowerCase().includes(text))
      .slice(0, wanted.count);
  }

  /** @throws when the file cannot be removed */
  clear(): Promise<void> {
    const cleared = this.#last.then(async () => {
      await rm(this.#file, { force: true });
      this.#entries = Promise.resolve(new Map());
      this.#bytes = 0;
      this.#fileBytes = 0;
      this.#fileLines = 0;
      this.#torn = false;
    });
    this.#last = cleared.catch(() => undefined);
    return cleared;
  }

  /** When everything that was put stands in the file, or could not be written. */
  settled(): Promise<void> {
    return this.#last;
  }

  #read(): Promise<Map<string, Kept>> {
    this.#entries ??= this.#load();
    return this.#entries;
  }

  async #load(): Promise<Map<string, Kept>> {
    const entries = new Map<string, Kept>();
    const text = await endOf(this.#file, sqlLimits.historyBytesMax).catch(() => '');
    this.#fileBytes = text.length;
    this.#torn = text !== '' && !text.endsWith('\n');
    for (const line of text.split('\n')) {
      if (line === '') continue;
      this.#fileLines += 1;
      const entry = await this.#open(line);
      if (entry === undefined) continue;
      // What was running when the app ended did not end by itself.
      const kept = entry.state === 'running' ? { ...entry, state: 'interrupted' as const } : entry;
      this.#keep(entries, kept, line.length + 1);
    }
    return entries;
  }

  async #open(line: string): Promise<HistoryEntry | undefined> {
    const text = await this.#options.history.unseal(line).catch(() => undefined);
    if (text === undefined) return undefined;
    try {
      return HistoryEntry.safeParse(JSON.parse(text)).data;
    } catch {
      return undefined;
    }
  }

  async #rewrite(entries: ReadonlyMap<string, Kept>): Promise<void> {
    const lines: string[] = [];
    for (const { entry } of entries.values())
      lines.push(`${await this.#options.history.seal(JSON.stringify(entry))}\n`);
    const fresh = `${this.#file}.new`;
    await writeFile(fresh, lines.join(''), { mode: 0o600 });
    await rename(fresh, this.#file);
    this.#fileLines = lines.length;
    this.#fileBytes = lines.reduce((sum, line) => sum + line.length, 0);
  }
}

/** The last bytes of a file. Its first line may be cut. */
async function endOf(path: string, bytesMax: number): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const bytes = Buffer.alloc(Math.min(size, bytesMax));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, size - bytes.length);
    return bytes.toString('latin1', 0, bytesRead);
  } finally {
    await file.close();
  }
}

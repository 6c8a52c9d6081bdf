import type { CommandFacts, CommandUnknown } from '../../contract/ssh.js';
import { shellLimits } from './limits.js';

/** What was found so far of one line, and how much of it may still be looked at. */
export class Findings {
  readonly #programs = new Set<string>();
  readonly #paths = new Set<string>();
  readonly #writes = new Set<string>();
  readonly #unknown = new Set<CommandUnknown>();
  #writesUnknown = false;
  #elevated = false;
  #nodesLeft: number = shellLimits.nodesMax;
  #charactersLeft: number = shellLimits.charactersMax;

  unknown(why: CommandUnknown): void {
    this.#unknown.add(why);
  }

  elevated(): void {
    this.#elevated = true;
  }

  /** `name`: as it was written, decoded. `shadowed`: a function of the line has that name, so no program does. */
  program(name: string, shadowed = false): void {
    const base = name.slice(name.lastIndexOf('/') + 1);
    if (base === name) {
      if (!shadowed) this.#put(this.#programs, base);
      return;
    }
    this.#put(this.#paths, name);
    if (base !== '') this.#put(this.#programs, base);
    if (!systemPath.test(name) || name.includes('/../') || name.includes('/./')) this.unknown('remote');
  }

  write(file: string): void {
    this.#put(this.#writes, file);
  }

  writeUnknown(): void {
    this.#writesUnknown = true;
  }

  /** Whether one more node may be looked at. */
  node(): boolean {
    this.#nodesLeft -= 1;
    if (this.#nodesLeft >= 0) return true;
    this.unknown('too-long');
    return false;
  }

  /** Whether a text of this length may be read. */
  text(characters: number): boolean {
    this.#charactersLeft -= characters;
    if (this.#charactersLeft >= 0) return true;
    this.unknown('too-long');
    return false;
  }

  facts(): CommandFacts {
    return {
      programs: [...this.#programs],
      paths: [...this.#paths],
      writes: [...this.#writes],
      writesUnknown: this.#writesUnknown,
      elevated: this.#elevated,
      unknown: [...this.#unknown],
    };
  }

  #put(names: Set<string>, name: string): void {
    if (name.length > shellLimits.nameCharactersMax || names.size >= shellLimits.namesMax) {
      if (!names.has(name)) this.unknown('too-long');
      return;
    }
    names.add(name);
  }
}

/** Directories that only the target's administrator writes to. A program of a known name elsewhere may be anything. */
const systemPath = /^\/(usr\/(local\/)?)?s?bin\//;

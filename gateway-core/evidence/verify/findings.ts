import { ZipError } from '../zip/read.js';

const problemsMax = 1000;

export interface Problem {
  readonly code: string;
  readonly where: string;
  readonly message: string;
}

/** What a check has found so far. Texts from the bundle stand in it quoted and cut: a terminal shows them. */
export class Findings {
  readonly problems: Problem[] = [];
  #areas = new Set<string>();

  /** `area`: what can no longer be called proved. */
  add(area: Area, code: string, where: string, message: string): void {
    this.#areas.add(area);
    if (this.problems.length < problemsMax) this.problems.push({ code, where: shown(where), message });
    else if (this.problems.length === problemsMax)
      this.problems.push({
        code: 'too-many',
        where: 'bundle',
        message: 'there are more problems than are listed',
      });
  }

  /** What a read threw: a ZIP that is none is a problem of the bundle, anything else is thrown on. */
  addZip(error: unknown): void {
    if (!(error instanceof ZipError)) throw error;
    this.add('files', error.code, error.where, error.message);
  }

  /** Whether nothing was found wrong there. */
  holds(...areas: readonly Area[]): boolean {
    return areas.every((area) => !this.#areas.has(area));
  }
}

/** files: the bytes and the list of them. log: key, checkpoint, tree. events, content, desktop: what these say. */
export type Area = 'files' | 'log' | 'events' | 'content' | 'desktop' | 'policies' | 'viewer';

/** A name from the bundle, as one may print it: visible ASCII, 200 characters at most. */
export function shown(text: string): string {
  const plain = text.replaceAll(/[^\x20-\x7e]/g, '?');
  return plain.length > 200 ? `${plain.slice(0, 199)}~` : plain;
}

import type { Command } from 'unbash';
import type { Findings } from './findings.js';

/** Where a part of a line stands. */
export interface Scope {
  /** How many texts it is inside of: `sh -c "sh -c x"`. */
  readonly textDepth: number;
  /** How many substitutions it is inside of, in its text. */
  readonly nesting: number;
  /** Functions that are defined for certain where it runs. */
  readonly functions: ReadonlySet<string>;
}

export interface Visitor {
  readonly findings: Findings;
  command(node: Command, scope: Scope): void;
  /** `value`: what it is set to, where that is plain. */
  variable(name: string, exported: boolean, value: string | undefined): void;
}

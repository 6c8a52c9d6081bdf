import { type Command, type ParsedScript, parse } from 'unbash';
import type { CommandUnknown } from '../../contract/ssh.js';
import { type Argument, argumentOf } from './arguments.js';
import { cutsDiffer } from './dialects.js';
import { steersPrograms } from './environment.js';
import type { Findings } from './findings.js';
import { shellLimits } from './limits.js';
import { programOf } from './programs/table.js';
import type { Run } from './run.js';
import type { Scope } from './visitor.js';
import { walk } from './walk.js';

/** Reads shell texts, and texts in texts, into findings. One reader for one line. */
export class ShellReader {
  readonly #findings: Findings;
  /** Names of functions that were called instead of programs. */
  readonly #functionsCalled = new Set<string>();

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  /** `source`: a whole script. Never throws: what the parser cannot do is `syntax`. */
  read(source: string): void {
    this.#text(source, { textDepth: 0, nesting: 0, functions: new Set() });
    this.#returnFunctions();
  }

  /** Where functions can be undefined again, or a name may be an alias, a call may be the program after all. */
  #returnFunctions(): void {
    const { programs } = this.#findings.facts();
    if (!programs.some((name) => undefines.has(name))) return;
    for (const name of this.#functionsCalled) this.#findings.program(name);
  }

  #text(source: string, scope: Scope): void {
    if (scope.textDepth > shellLimits.textDepthMax) return this.#findings.unknown('too-long');
    if (!this.#findings.text(source.length)) return;
    if (source.split('<<', shellLimits.hereDocumentsMax + 2).length > shellLimits.hereDocumentsMax + 1) {
      return this.#findings.unknown('too-long');
    }
    if (cutsDiffer(source)) this.#findings.unknown('dialect');
    try {
      const script: ParsedScript = parse(source);
      walk(script, scope, {
        findings: this.#findings,
        command: (node, inner) => this.#command(node, inner),
        variable: (name, exported, value) => this.#variable(name, exported, value),
      });
    } catch {
      // The parser is not ours: what it cannot take (a stack that ends) is refused as if it did not parse.
      this.#findings.unknown('syntax');
    }
  }

  #variable(name: string, exported: boolean, value: string | undefined): void {
    if (steersPrograms(name, exported, value)) this.#findings.unknown('environment');
  }

  #command(node: Command, scope: Scope): void {
    if (node.name === undefined) return;
    const words = [argumentOf(node.name)];
    for (const each of node.suffix) {
      if (each.type === 'Word' || each.type === 'Assignment') words.push(argumentOf(each));
    }
    this.#program(words, scope, 0);
  }

  #program(words: readonly Argument[], scope: Scope, launched: number): void {
    const findings = this.#findings;
    const name = words[0];
    if (!findings.node()) return;
    if (launched > shellLimits.launchersMax) return findings.unknown('too-long');
    if (name === undefined || name.kind === 'dynamic') return findings.unknown('dynamic-program');
    if (name.kind === 'pattern' && !this.#homePath(name)) return findings.unknown('dynamic-program');
    if (name.text === '') return;
    // zsh: the path of a program. And no shell's word begins with a dash by chance: another one's keyword had options.
    // What is a name, and so an assignment, or a block, is another shell's to say where it is more than plain letters.
    if (/^[=-]|[=${}]|[^!-~]/.test(name.text)) findings.unknown('dialect');
    const shadowed = launched === 0 && scope.functions.has(name.text);
    if (shadowed) this.#functionsCalled.add(name.text);
    findings.program(name.text, shadowed);
    const base = name.text.slice(name.text.lastIndexOf('/') + 1);
    programOf(base)?.(words.slice(1), this.#run(scope, launched), base);
  }

  /** `~/bin/x`: its last part is known, its place is not. */
  #homePath(name: Argument): boolean {
    if (!/^~[\w.-]*\/[\w./+-]*$/.test(name.text)) return false;
    this.#findings.unknown('remote');
    return true;
  }

  #run(scope: Scope, launched: number): Run {
    const findings = this.#findings;
    return {
      program: (words) => this.#program(words, scope, launched + 1),
      text: (words, here = false) => {
        if (words.some((word) => word.kind !== 'plain')) findings.unknown('dynamic-script');
        const inner = {
          textDepth: scope.textDepth + 1,
          nesting: 0,
          functions: here ? scope.functions : none,
        };
        this.#text(words.map((word) => word.text).join(' '), inner);
      },
      unknown: (why: CommandUnknown) => findings.unknown(why),
      elevated: () => findings.elevated(),
      write: (file) => {
        if (file.kind === 'plain') findings.write(file.text);
        else findings.writeUnknown();
      },
      variable: (variable, exported, value) => this.#variable(variable, exported, value),
    };
  }
}

const none: ReadonlySet<string> = new Set();
const undefines: ReadonlySet<string> = new Set([
  'unset',
  'alias',
  'unfunction',
  'unhash',
  'disable',
  'enable',
]);

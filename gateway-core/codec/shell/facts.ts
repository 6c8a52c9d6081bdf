import type { CommandFacts } from '../../contract/ssh.js';
import { Findings } from './findings.js';
import { shellLimits } from './limits.js';
import { ShellReader } from './reader.js';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * What a shell would run for this line, in every place where shells look (POSIX.1-2017 XCU 2, bash's manual). Never
 * throws; takes time in proportion to the line, within `shellLimits`. What cannot be known is named in `unknown`, so a
 * policy that allows programs by name must also ask that `unknown` be empty.
 * `line`: an exec request's command, or what was typed. `typed`: into an interactive shell, which expands history first.
 */
export function commandFacts(line: string | Uint8Array, typed = false): CommandFacts {
  const findings = new Findings();
  const text = textOf(line, findings);
  if (text === undefined) return findings.facts();
  // History, and zsh that knows no comments where it is typed into.
  if (typed && /![^\s=(]|^\^/m.test(text)) findings.unknown('dynamic-script');
  if (typed && /(^|[\s;&|()])#/.test(text)) findings.unknown('dialect');
  new ShellReader(findings).read(text);
  return findings.facts();
}

function textOf(line: string | Uint8Array, findings: Findings): string | undefined {
  const tooLong = line.length > shellLimits.lineBytesMax;
  if (tooLong) {
    findings.unknown('too-long');
    return undefined;
  }
  const text = typeof line === 'string' ? line : decoded(line);
  // A line that is cut at a NUL, or read in another encoding, is another line.
  if (text === undefined || text.includes('\0') || !text.isWellFormed()) {
    findings.unknown('syntax');
    return undefined;
  }
  return text;
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

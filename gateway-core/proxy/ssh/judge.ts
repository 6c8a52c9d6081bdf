import { createHmac } from 'node:crypto';
import { commandFacts } from '../../codec/shell/facts.js';
import { isTransfer } from '../../codec/shell/transfer.js';
import type { Decision } from '../../contract/decision.js';
import { limits } from '../../contract/limits.js';
import { type DetectMask, Detector } from '../../contract/masks.js';
import type { CommandFacts, SshUse } from '../../contract/ssh.js';
import { createStreamMasker, type StreamMasker } from '../../masking/stream-masker.js';
import { createValueMasker } from '../../masking/value-masker.js';
import type { Decider } from '../../policy/index.js';
import { saltedHash } from '../salted-hash.js';

/** What policy says, and how what was said is kept. */
export interface SshJudge {
  decide(use: SshUse): Decision;
  /** What a command would run; `environment`: what the client set that can change it. */
  commandOf(
    text: string,
    environment: readonly string[],
  ): { readonly command: CommandFacts; readonly transfer: boolean };
  /** Whether a policy looks at the lines of interactive shells. */
  judgesLines(): boolean;
  /** Masked, and no longer than what is kept of one text. */
  keptText(text: string): string;
  exactHash(text: string): string;
  /** For what is kept of a file. */
  newFileMasker(): StreamMasker;
}

/** Texts of commands and kept files are masked by every detector, whatever the connection masks in what it shows. */
const textRules: readonly DetectMask[] = [{ detect: [...Detector.options], with: 'redact' }];

export function createSshJudge(input: {
  /** The one for the policies in force now. */
  readonly decider: () => Decider;
  readonly rules: readonly DetectMask[];
  readonly hashKey: Uint8Array;
  readonly saltKey: Uint8Array;
  readonly session: string;
  readonly judgesLines: () => boolean;
  readonly now: () => number;
}): SshJudge {
  const salt = createHmac('sha256', input.saltKey).update(input.session).digest();
  const rules = [...input.rules, ...textRules];
  const masker = createValueMasker({ rules, hashKey: input.hashKey });
  return {
    decide: (use) => input.decider().ssh(use, input.now()),
    keptText: (text) => cut(masker.maskText(cut(text)).text),
    commandOf: (text, environment) => {
      const facts = commandFacts(text);
      const set = environment.length > 0 && !facts.unknown.includes('environment');
      const command: CommandFacts = set ? { ...facts, unknown: [...facts.unknown, 'environment'] } : facts;
      return { command, transfer: isTransfer(text) !== undefined };
    },
    judgesLines: input.judgesLines,
    exactHash: (text) => saltedHash(salt, text),
    newFileMasker: () => createStreamMasker({ rules, terminal: false }),
  };
}

function cut(text: string): string {
  return text.length <= limits.keptTextBytesMax ? text : `${text.slice(0, limits.keptTextBytesMax)}…`;
}

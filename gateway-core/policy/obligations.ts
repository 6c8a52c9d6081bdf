import { RowsKept, rowsKeptBytes } from '../contract/connection.js';
import { Detector, MaskKind, type MaskRule } from '../contract/masks.js';
import type { MaskedUse } from '../contract/sql.js';

/** What the annotations of one policy ask for. */
export interface Obligations {
  readonly message: string | undefined;
  readonly approvers: readonly string[];
  readonly masks: readonly MaskRule[];
  /** `@opens("predicate, order")`: uses of masked columns that this permit allows. */
  readonly opens: ReadonlySet<MaskedUse>;
  /** `@keep("1MB")`: bytes of a file that moves by SFTP that are kept in the recording, masked. */
  readonly keepBytes: number;
}

const maskedUses: readonly MaskedUse[] = [
  'predicate',
  'order',
  'copy-into-table',
  'statistics',
  'explain-analyze',
  'opaque',
];

/**
 * Cedar's annotations take one string and may stand once; ours are `@mask("email", "partial")`, any number of
 * times. So before Cedar reads the text, the n-th two-part mask becomes `@mask_n("email|partial")`.
 * Text inside string literals cannot match: its quotes are escaped. Line breaks are kept for error positions.
 */
export function foldMaskAnnotations(policyText: string): string {
  let count = 0;
  return policyText.replaceAll(
    /@mask(\s*)\((\s*)"((?:[^"\\\n]|\\.)*)"(\s*),(\s*)"((?:[^"\\\n]|\\.)*)"(\s*)\)/g,
    (_whole, s1: string, s2: string, target: string, s3: string, s4: string, kind: string, s5: string) => {
      count += 1;
      return `@mask_${count}${s1}(${s2}"${target}|${kind}"${s3}${s4}${s5})`;
    },
  );
}

/** Reads the annotations of one policy; a wrong one is a problem in words, never ignored. */
export function readObligations(
  annotations: Readonly<Record<string, string>>,
): Obligations | { problem: string } {
  const masks: MaskRule[] = [];
  const opens = new Set<MaskedUse>();
  const approvers: string[] = [];
  let message: string | undefined;
  let keepBytes = 0;
  for (const [name, value] of Object.entries(annotations)) {
    if (name === 'id') continue;
    if (name === 'message') {
      message = value;
    } else if (name === 'approval') {
      approvers.push(...list(value));
      if (approvers.length === 0) return { problem: '@approval names no group' };
    } else if (name === 'opens') {
      for (const use of list(value)) {
        const known = maskedUses.find((each) => each === use);
        if (known === undefined) return { problem: `@opens knows ${maskedUses.join(', ')}, not "${use}"` };
        opens.add(known);
      }
    } else if (name === 'keep') {
      const kept = RowsKept.safeParse(value);
      if (!kept.success) return { problem: '@keep takes a size (256kB, 1MB), all or none' };
      keepBytes = rowsKeptBytes(kept.data);
    } else if (name === 'mask' || /^mask_\d+$/.test(name)) {
      const rule = readMask(value);
      if (rule === undefined) {
        return { problem: '@mask takes a column pattern or detector and one of redact, partial, hash, null' };
      }
      masks.push(rule);
    } else {
      return { problem: `unknown annotation @${name}; known are id, message, approval, mask, opens, keep` };
    }
  }
  return { message, approvers, masks, opens, keepBytes };
}

function readMask(value: string): MaskRule | undefined {
  const at = value.lastIndexOf('|');
  const kind = MaskKind.safeParse(value.slice(at + 1));
  const target = value.slice(0, at);
  if (at <= 0 || !kind.success) return undefined;
  const detector = Detector.safeParse(target);
  if (detector.success) return { detect: [detector.data], with: kind.data };
  if (!target.includes('.')) return undefined;
  return { columns: [target], with: kind.data };
}

function list(value: string): string[] {
  return value
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}

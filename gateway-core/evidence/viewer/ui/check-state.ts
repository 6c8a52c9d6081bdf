import { fingerprint } from '../../../audit/note.js';
import type { BundleReport } from '../../../contract/evidence.js';

/** Files that the manifest lists and the page's own copy lacks. */
export interface Missing {
  /** Copies of results for other programs: this page shows results from the recording itself. */
  readonly copies: number;
  readonly others: number;
}

/** Why nothing was checked, or not everything. */
export type Checked =
  | { readonly kind: 'running'; readonly share: number }
  | { readonly kind: 'done'; readonly report: BundleReport; readonly missing: Missing }
  | { readonly kind: 'failed'; readonly why: string };

export type Verdict = 'checking' | 'verified' | 'partly' | 'problems' | 'other-key';

/** The check of one bundle as it goes; parts of the page hear of every change. */
export class CheckState {
  #checked: Checked = { kind: 'running', share: 0 };
  #expected: string | undefined;
  readonly #heard: (() => void)[] = [];

  get checked(): Checked {
    return this.#checked;
  }

  set(checked: Checked): void {
    this.#checked = checked;
    this.#tell();
  }

  /** The key that the reader got from the operator, as a fingerprint or a verifier key; empty for none. */
  expect(text: string): void {
    const wanted = text.trim();
    this.#expected = wanted === '' ? undefined : wanted;
    this.#tell();
  }

  onChange(heard: () => void): void {
    this.#heard.push(heard);
    heard();
  }

  /** Whether the reader's key is the bundle's; undefined when no key was given or none is known yet. */
  keyMatches(): boolean | undefined {
    if (this.#expected === undefined || this.#checked.kind !== 'done') return undefined;
    const { keyFingerprint } = this.#checked.report;
    const expected = fingerprintDigits(this.#expected);
    return expected !== undefined && expected === fingerprintDigits(keyFingerprint);
  }

  verdict(): Verdict {
    const checked = this.#checked;
    if (checked.kind === 'running') return 'checking';
    if (checked.kind === 'failed' || !checked.report.ok) return 'problems';
    if (this.keyMatches() === false) return 'other-key';
    return checked.missing.others > 0 ? 'partly' : 'verified';
  }

  /** After "entry 12 of the audit log;". */
  sentence(): string {
    const checked = this.#checked;
    if (checked.kind === 'running') return 'the check is still running';
    if (checked.kind === 'failed') return 'it was not checked';
    if (!checked.report.ok) return 'the bundle has problems: see the overview';
    return `in the tree that key ${checked.report.keyFingerprint.slice(0, 19)}… signed`;
  }

  #tell(): void {
    for (const heard of this.#heard) heard();
  }
}

/** The 64 hex digits of a fingerprint, however it is written, or of a verifier key's; undefined for anything else. */
export function fingerprintDigits(text: string): string | undefined {
  if (text.includes('+')) return fingerprintDigits(fingerprint(text.trim()));
  const digits = text
    .toLowerCase()
    .replace(/^\s*sha-?256:/, '')
    .replaceAll(/[\s:-]/g, '');
  return /^[0-9a-f]{64}$/.test(digits) ? digits : undefined;
}

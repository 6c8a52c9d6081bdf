import type { DetectMask } from '../contract/masks.js';
import { compileDetection } from './detect.js';
import { Splicer } from './splice.js';
import { textSyntax } from './syntax.js';

/** Masks what detectors find in text of no declared type: error and notice fields, literals, parameters, COPY fields, SQL. */
export interface ValueMasker {
  /**
   * The masked bytes of `buffer[start, end)`, or undefined when nothing was found. UTF-8 is expected; other bytes are
   * passed over. The result is a buffer of its own; the input is not written to.
   */
  maskBytes(buffer: Uint8Array, start: number, end: number): Uint8Array | undefined;
  /** The same of a string; `count` places were masked. Without a hit it is the same string. */
  maskText(text: string): { readonly text: string; readonly count: number };
}

/**
 * A value masker for detector rules. `null` masks write `[masked]`: a piece of text cannot be NULL.
 * `hashKey` is the gateway's key of hash masks; 32 random bytes.
 */
export function createValueMasker(options: {
  readonly rules: readonly DetectMask[];
  readonly hashKey: Uint8Array;
}): ValueMasker {
  const splicer = new Splicer(compileDetection(options.rules), options.hashKey, textSyntax);
  return {
    maskBytes: (buffer, start, end) => splicer.apply(buffer, start, end)?.bytes,
    maskText: (text) => {
      const bytes = Buffer.from(text);
      const spliced = splicer.apply(bytes, 0, bytes.length);
      if (spliced === undefined) return { text, count: 0 };
      return { text: Buffer.from(spliced.bytes).toString(), count: spliced.count };
    },
  };
}

const secrets = createValueMasker({
  rules: [{ detect: ['key'], with: 'redact' }],
  hashKey: new Uint8Array(0),
});

/** `text` without keys, tokens and labelled passwords: for our own logs and argument lists. */
export function redactSecrets(text: string): string {
  return secrets.maskText(text).text;
}

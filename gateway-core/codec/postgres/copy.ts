import { ThroughlineError } from '../../contract/errors.js';
import type { CopyBytes, CopyMask, CopyTransformer } from './copy-base.js';
import { BinaryCopyTransformer } from './copy-binary.js';
import { CsvCopyTransformer } from './copy-csv.js';
import { TextCopyTransformer } from './copy-text.js';
import { codecLimits } from './limits.js';

export type { CopyMask, CopyTransformer } from './copy-base.js';

/** As in the COPY statement; what is absent has COPY's own default for the format. */
export interface CopyOptions {
  readonly format: 'text' | 'csv' | 'binary';
  readonly delimiter?: string;
  readonly quote?: string;
  readonly escape?: string;
  readonly nullText?: string;
  /** The first line holds column names: it passes unmasked. */
  readonly header?: boolean;
  /** One line or tuple at most. */
  readonly lineBytesMax?: number;
}

/**
 * Masks what COPY TO STDOUT sends (SQL COPY page, "File Formats"). One for each CopyOutResponse.
 * Errors: ThroughlineError `invalid-request` for options that PostgreSQL refuses too.
 */
export function createCopyTransformer(options: CopyOptions, mask: CopyMask): CopyTransformer {
  const lineBytesMax = options.lineBytesMax ?? codecLimits.copyLineBytesMax;
  switch (options.format) {
    case 'binary':
      return new BinaryCopyTransformer(lineBytesMax, mask);
    case 'csv':
      return new CsvCopyTransformer(copyBytes(options, lineBytesMax), mask);
    case 'text':
      return new TextCopyTransformer(copyBytes(options, lineBytesMax), mask);
  }
}

function copyBytes(options: CopyOptions, lineBytesMax: number): CopyBytes {
  const isCsv = options.format === 'csv';
  const delimiter = options.delimiter ?? (isCsv ? ',' : '\t');
  const quote = options.quote ?? '"';
  const escape = options.escape ?? quote;
  const nullText = options.nullText ?? (isCsv ? '' : '\\N');
  const wrong =
    !isOneByte(delimiter) ||
    /[\0\r\n]/.test(nullText) ||
    nullText.includes(delimiter) ||
    (isCsv
      ? !isOneByte(quote) || !isOneByte(escape) || quote === delimiter || nullText.includes(quote)
      : /[\\.a-z0-9]/.test(delimiter));
  if (wrong) throw new ThroughlineError('invalid-request', 'COPY options that PostgreSQL does not take');
  return {
    delimiter: delimiter.charCodeAt(0),
    quote: quote.charCodeAt(0),
    escape: escape.charCodeAt(0),
    nullText: Buffer.from(nullText, 'utf8'),
    nullIsDefault: nullText === '\\N',
    header: options.header ?? false,
    lineBytesMax,
  };
}

function isOneByte(text: string): boolean {
  const code = text.charCodeAt(0);
  return text.length === 1 && code > 0 && code < 0x80 && text !== '\n' && text !== '\r';
}

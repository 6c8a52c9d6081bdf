import { z } from 'zod';

/**
 * redact: the whole value becomes a fixed text. partial: enough stays to recognise, not to use (`a***@example.com`,
 * `**** **** **** 1234`). hash: a keyed hash, so equal values stay equal inside one gateway. null: SQL NULL.
 */
export const MaskKind = z.enum(['redact', 'partial', 'hash', 'null']);
export type MaskKind = z.infer<typeof MaskKind>;

/** What value detectors find. `key`: API keys, private key blocks, tokens (JWT, bearer, cloud and forge tokens). */
export const Detector = z.enum(['email', 'card', 'iban', 'phone', 'key']);
export type Detector = z.infer<typeof Detector>;

/** `schema.table.column`; parts may be quoted with double quotes; `*` stands for any one part. */
export const ColumnPattern = z.string().min(3).max(256);

export const ColumnMask = z.object({ columns: z.array(ColumnPattern).min(1).max(1000), with: MaskKind });
export type ColumnMask = z.infer<typeof ColumnMask>;

export const DetectMask = z.object({ detect: z.array(Detector).min(1).max(16), with: MaskKind });
export type DetectMask = z.infer<typeof DetectMask>;

export const MaskRule = z.union([ColumnMask.strict(), DetectMask.strict()]);
export type MaskRule = z.infer<typeof MaskRule>;

/** Strictest first: where two masks meet on one value, the one that stands first here wins. */
export const maskStrength: readonly MaskKind[] = ['null', 'redact', 'hash', 'partial'];

/** What masks leave behind in a value: a word of their own, stars, a keyed hash. */
export const maskTraces = /\[masked\]|\*{2,}|^h:[0-9a-f]{16}$/;

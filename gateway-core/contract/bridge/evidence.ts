import { z } from 'zod';
import { SessionView } from '../api.js';
import { Chain } from '../chain.js';
import { EvidenceSubject, resultFormats } from '../evidence.js';
import { BridgeError } from './app.js';

/** Names of bundles in the folder that the person chose for exports: a renderer names no paths. */
export const BundleName = z
  .string()
  .max(120)
  .regex(
    /^[A-Za-z0-9_][A-Za-z0-9 ._()-]*\.zip$/,
    'letters, digits, space, dot, dash and underscore, ending in .zip',
  );

export const EvidenceWanted = z
  .object({
    subject: EvidenceSubject,
    results: z.array(z.enum(resultFormats)).max(3),
    /** age recipients; none: the file is not encrypted. */
    to: z.array(z.string().min(1).max(4096)).max(20),
    reason: z.string().trim().max(1000).optional(),
    name: BundleName,
  })
  .strict();
export type EvidenceWanted = z.infer<typeof EvidenceWanted>;

/** A bundle on its way into a file. */
export const EvidenceExport = z.object({
  id: z.string(),
  subject: EvidenceSubject,
  name: z.string(),
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  bytes: z.number().int(),
  /** Once it is done. */
  path: z.string(),
  sha256: z.string().optional(),
  encrypted: z.boolean(),
  error: BridgeError.optional(),
});
export type EvidenceExport = z.infer<typeof EvidenceExport>;

/** Bundles that lie in the folder. */
export const BundleList = z.object({
  directory: z.string(),
  bundles: z.array(z.object({ name: BundleName, bytes: z.number().int(), changedAt: z.string() })),
});
export type BundleList = z.infer<typeof BundleList>;

/** What a check of a bundle says (BundleReport), and what the bundle says of itself. */
export const BundleCheck = z.object({
  name: BundleName,
  ok: z.boolean(),
  entries: z.number().int(),
  proved: z.array(z.string()),
  notProved: z.array(z.string()),
  problems: z.array(z.object({ code: z.string(), where: z.string(), message: z.string() })),
  keyFingerprint: z.string(),
  keyName: z.string(),
  /** The key came from the person, not out of the bundle. */
  keyGiven: z.boolean(),
  signedAt: z.string().optional(),
  manifest: z
    .object({
      createdAt: z.string(),
      by: Chain,
      reason: z.string().optional(),
      subject: EvidenceSubject,
      sessions: z.array(SessionView),
    })
    .optional(),
});
export type BundleCheck = z.infer<typeof BundleCheck>;

import type { MaskRule } from './masks.js';

/** The actions that Cedar policies name. */
export const actions = [
  'connect',
  'sql:read',
  'sql:write',
  'sql:ddl',
  'sql:admin',
  'ssh:shell',
  'ssh:exec',
  'ssh:sftp',
  'ssh:forward',
  'session:view',
  'session:replay',
  'session:revoke',
  'evidence:export',
  'admin:connections',
  'admin:policies',
  'admin:people',
] as const;
export type Action = (typeof actions)[number];

/** Which policies decided, of which version: stands on every decision event. */
export interface Grounds {
  /** `@id` of the policies that determined the decision; empty when nothing permitted. */
  readonly policies: readonly string[];
  /** First 16 hex digits of SHA-256 of the policy text. */
  readonly policyVersion: string;
}

export type Decision =
  | {
      readonly kind: 'allow';
      readonly grounds: Grounds;
      readonly masks: readonly MaskRule[];
      /** Bytes of a file's content that are to be kept, each way: the most that any of the policies asks for. */
      readonly keepBytes?: number;
    }
  | {
      readonly kind: 'hold';
      readonly grounds: Grounds;
      /** Groups whose members may approve. */
      readonly approvers: readonly string[];
      readonly message: string;
      readonly masks: readonly MaskRule[];
    }
  | {
      readonly kind: 'deny';
      readonly grounds: Grounds;
      /** Lower case, without values of the statement; names the policy's message where it has one. */
      readonly message: string;
      /** What would change it, for the person who reads the error. */
      readonly action: string;
    };

declare const permitBrand: unique symbol;
/** Proof that policy allowed exactly this. Minted by the policy room only; a proxy cannot send upstream without one. */
export interface Permit {
  readonly [permitBrand]: true;
  readonly grounds: Grounds;
  readonly masks: readonly MaskRule[];
}

declare const appendedBrand: unique symbol;
/** Proof that the intent is in the journal with the durability that the connection asks for. Minted by the journal only. */
export interface Appended {
  readonly [appendedBrand]: true;
  /** Position in this gateway's journal, from 0, without gaps. */
  readonly position: number;
}

import { z } from 'zod';

/** 26 characters of Crockford base 32, as in https://github.com/ulid/spec. */
const ulid = '[0-9A-HJKMNP-TV-Z]{26}';

/** One use of one connection by one actor. */
export const SessionId = z
  .string()
  .regex(new RegExp(`^ses_${ulid}$`))
  .brand<'SessionId'>();
export type SessionId = z.infer<typeof SessionId>;

const ulidDigits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** Milliseconds since 1970 that the session's ULID holds in its first ten characters. */
export function sessionTimeMs(session: SessionId): number {
  let ms = 0;
  for (const letter of session.slice(4, 14)) ms = ms * 32 + ulidDigits.indexOf(letter);
  return ms;
}

/** A handle or delegation: what a child of the chain presents. Public part only, never the secret. */
export const DelegationId = z
  .string()
  .regex(new RegExp(`^dlg_${ulid}$`))
  .brand<'DelegationId'>();
export type DelegationId = z.infer<typeof DelegationId>;

/** A sign-in of one device: what is refreshed, listed and revoked. */
export const SignInId = z
  .string()
  .regex(new RegExp(`^sgn_${ulid}$`))
  .brand<'SignInId'>();
export type SignInId = z.infer<typeof SignInId>;

/**
 * The root of every chain, `issuer-name/subject`, for example `demo/contractor`. The issuer's name comes from
 * the gateway's config, so two providers can never vouch for the same principal by accident.
 */
export const PrincipalId = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[^\s"\\\p{Cc}]+$/u)
  .brand<'PrincipalId'>();
export type PrincipalId = z.infer<typeof PrincipalId>;

/** The name of a registered target: also a PostgreSQL database name, a file name and a Cedar id. */
export const ConnectionName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'lower-case letters, digits, dot, dash and underscore, 63 at most')
  .brand<'ConnectionName'>();
export type ConnectionName = z.infer<typeof ConnectionName>;

/** RFC 3339, UTC, milliseconds: `2026-11-20T12:00:00.000Z`. */
export const Timestamp = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
export type Timestamp = z.infer<typeof Timestamp>;

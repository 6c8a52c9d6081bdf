import { createHash } from 'node:crypto';

/**
 * The answer to AuthenticationMD5Password (protocol page, "Start-up"): "md5" + md5(md5(password + user) + salt), both
 * hashes in hex. Weak: whoever sees it can guess the password, so only for targets that know nothing better. The
 * answer to AuthenticationCleartextPassword is the password itself; writePassword sends either.
 */
export function md5PasswordResponse(user: string, password: string, salt: Uint8Array): string {
  const inner = createHash('md5').update(password, 'utf8').update(user, 'utf8').digest('hex');
  return `md5${createHash('md5').update(inner, 'latin1').update(salt).digest('hex')}`;
}

/** RFC 3454 C.1.2: become a plain space. */
const otherSpaces = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu;
/** RFC 3454 B.1: mapped to nothing. */
const mappedToNothing =
  /\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200b|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/gu;
/** RFC 3454 C.2 to C.9: control, private use, non-character, surrogate, tagging and presentation-changing characters. */
const prohibited =
  /[\p{Cc}\p{Co}\p{Cs}\p{Noncharacter_Code_Point}\u0340\u0341\u06dd\u070f\u180e\u200e\u200f\u2028\u2029\u202a-\u202e\u2061-\u2063\u206a-\u206f\u2ff0-\u2ffb\ufff9-\ufffd\u{1d173}-\u{1d17a}\u{e0001}\u{e0020}-\u{e007f}]/u;
const printableAscii = /^[\x20-\x7e]*$/;

/**
 * A password as SCRAM hashes it: SASLprep (RFC 4013) as PostgreSQL applies it, which means that a password that the
 * profile refuses is used as it is. Printable ASCII passes unchanged. Other text: spaces and invisible characters
 * mapped, NFKC, prohibited characters looked for. Not done: the checks for bidirectional text and for code points
 * that Unicode 3.2 had not assigned; such a password is normalised here and used raw by PostgreSQL, which differs
 * only where NFKC changes it.
 */
export function saslPrepare(password: string): string {
  if (printableAscii.test(password)) return password;
  const prepared = password.replace(otherSpaces, ' ').replace(mappedToNothing, '').normalize('NFKC');
  return prepared === '' || prohibited.test(prepared) ? password : prepared;
}

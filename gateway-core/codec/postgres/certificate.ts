import { createHash } from 'node:crypto';

/** Hash by signature algorithm (RFC 5929 section 4.1). MD5 and SHA-1 become SHA-256. Others are not defined there. */
const hashBySignatureOid: ReadonlyMap<string, string> = new Map([
  // PKCS#1 (RFC 8017 appendix C)
  ['1.2.840.113549.1.1.2', 'sha256'],
  ['1.2.840.113549.1.1.4', 'sha256'],
  ['1.2.840.113549.1.1.5', 'sha256'],
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
  ['1.2.840.113549.1.1.14', 'sha224'],
  // ECDSA (RFC 5758 section 3.2)
  ['1.2.840.10045.4.1', 'sha256'],
  ['1.2.840.10045.4.3.1', 'sha224'],
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
  // DSA (RFC 5758 section 3.1)
  ['1.2.840.10040.4.3', 'sha256'],
  ['2.16.840.1.101.3.4.3.1', 'sha224'],
  ['2.16.840.1.101.3.4.3.2', 'sha256'],
]);

const rsaPssOid = '1.2.840.113549.1.1.10';

const hashByHashOid: ReadonlyMap<string, string> = new Map([
  ['1.3.14.3.2.26', 'sha256'],
  ['2.16.840.1.101.3.4.2.4', 'sha224'],
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
]);

const tags = { sequence: 0x30, objectId: 0x06, context0: 0xa0 } as const;

/** `[start, end)` of a DER value's contents. */
interface Der {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

/**
 * Channel binding data of type tls-server-end-point (RFC 5929 section 4): the hash of the server's certificate, given
 * in DER. undefined: the certificate cannot be read, or its signature algorithm has no single hash (Ed25519, Ed448,
 * unknown ones), for which the RFC defines nothing and PostgreSQL offers no channel binding either.
 */
export function tlsServerEndPoint(certificateDer: Uint8Array): Buffer | undefined {
  const hash = signatureHash(certificateDer);
  return hash === undefined ? undefined : createHash(hash).update(certificateDer).digest();
}

/** RFC 5280 section 4.1: Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }. */
function signatureHash(bytes: Uint8Array): string | undefined {
  const certificate = readDer(bytes, 0, bytes.length, tags.sequence);
  if (certificate === undefined || certificate.end !== bytes.length) return undefined;
  const signed = readDer(bytes, certificate.start, certificate.end, tags.sequence);
  if (signed === undefined) return undefined;
  const algorithm = readDer(bytes, signed.end, certificate.end, tags.sequence);
  if (algorithm === undefined) return undefined;
  const id = readDer(bytes, algorithm.start, algorithm.end, tags.objectId);
  if (id === undefined) return undefined;
  const oid = objectId(bytes, id);
  if (oid !== rsaPssOid) return hashBySignatureOid.get(oid);
  return pssHash(bytes, id.end, algorithm.end);
}

/** RFC 4055 section 3.1: RSASSA-PSS-params ::= SEQUENCE { [0] hashAlgorithm DEFAULT sha1, ... }. */
function pssHash(bytes: Uint8Array, start: number, end: number): string | undefined {
  const parameters = readDer(bytes, start, end, tags.sequence);
  if (parameters === undefined) return undefined;
  const first = readDer(bytes, parameters.start, parameters.end);
  if (first === undefined) return parameters.start === parameters.end ? 'sha256' : undefined;
  // The default hash is SHA-1, which becomes SHA-256.
  if (first.tag !== tags.context0) return 'sha256';
  const algorithm = readDer(bytes, first.start, first.end, tags.sequence);
  const id =
    algorithm === undefined ? undefined : readDer(bytes, algorithm.start, algorithm.end, tags.objectId);
  return id === undefined ? undefined : hashByHashOid.get(objectId(bytes, id));
}

/** One DER value of low tag number and definite length at `start`; undefined when it is not there or not whole. */
function readDer(bytes: Uint8Array, start: number, end: number, tag?: number): Der | undefined {
  if (end - start < 2) return undefined;
  const found = bytes[start] as number;
  if (tag !== undefined && found !== tag) return undefined;
  const first = bytes[start + 1] as number;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  if (first === 0x80 || lengthBytes > 3 || start + 2 + lengthBytes > end) return undefined;
  let length = first < 0x80 ? first : 0;
  for (let at = 0; at < lengthBytes; at += 1) length = (length << 8) | (bytes[start + 2 + at] as number);
  const valueStart = start + 2 + lengthBytes;
  return length > end - valueStart ? undefined : { tag: found, start: valueStart, end: valueStart + length };
}

/** Dotted form. Arcs beyond 2^53 lose precision and then match nothing. */
function objectId(bytes: Uint8Array, { start, end }: Der): string {
  const arcs: number[] = [];
  let arc = 0;
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at] as number;
    arc = arc * 128 + (byte & 0x7f);
    if (byte < 0x80) {
      arcs.push(arc);
      arc = 0;
    }
  }
  const first = arcs.shift() ?? 0;
  const root = first < 40 ? 0 : first < 80 ? 1 : 2;
  return [root, first - 40 * root, ...arcs].join('.');
}

import { createHash, createPrivateKey, webcrypto, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 24 * 3600 * 1000;
const caDays = 3650;
const serverDays = 90;
const renewDays = 30;

export interface ServerCertificate {
  readonly certificatePem: string;
  readonly keyPem: string;
  /** The authority that clients pin; for a certificate from the config, that certificate itself. */
  readonly caPem: string;
  /** SHA-256 of the CA certificate, hex. */
  readonly fingerprint: string;
}

/**
 * A private authority of this gateway (key 0600 in the keys directory, ten years), and a server certificate
 * that it signs (90 days, renewed at a start in its last 30): clients pin the authority, so renewal changes nothing.
 */
export async function gatewayCertificate(
  keysDir: string,
  names: readonly string[],
  nowMs: number,
): Promise<ServerCertificate> {
  const place = (name: string) => join(keysDir, name);
  const known = readKnown(
    place('tls-server.pem'),
    place('tls-server.key'),
    place('tls-ca.pem'),
    names,
    nowMs,
  );
  if (known !== undefined) return known;
  // Loaded only when something has to be signed: it takes a good part of a start.
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto as never);
  if (!existsSync(place('tls-ca.key')) || !existsSync(place('tls-ca.pem'))) {
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const ca = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: serial(),
      name: `CN=Throughline gateway ${serial().slice(1, 9)}`,
      notBefore: new Date(nowMs - dayMs),
      notAfter: new Date(nowMs + caDays * dayMs),
      signingAlgorithm: algorithm,
      keys: keys as never,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      ],
    });
    replace(place('tls-ca.key'), await exportKey(keys.privateKey));
    replace(place('tls-ca.pem'), ca.toString('pem'));
  }
  const caPem = readFileSync(place('tls-ca.pem'), 'utf8');
  const ca = new x509.X509Certificate(caPem);
  const caKey = await webcrypto.subtle.importKey(
    'pkcs8',
    createPrivateKey(readFileSync(place('tls-ca.key'))).export({ type: 'pkcs8', format: 'der' }),
    algorithm,
    false,
    ['sign'],
  );
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const server = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: 'CN=Throughline gateway',
    issuer: ca.subject,
    notBefore: new Date(nowMs - dayMs),
    notAfter: new Date(nowMs + serverDays * dayMs),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey as never,
    signingKey: caKey as never,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        [...new Set(names)].map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
      ),
    ],
  });
  const keyPem = await exportKey(keys.privateKey);
  replace(place('tls-server.key'), keyPem);
  replace(place('tls-server.pem'), server.toString('pem'));
  return certificateOf(server.toString('pem'), keyPem, caPem);
}

/** The certificate of an earlier start: if it is the authority's, names everything, and is good for another month. */
function readKnown(
  certificatePath: string,
  keyPath: string,
  caPath: string,
  names: readonly string[],
  nowMs: number,
): ServerCertificate | undefined {
  if (![certificatePath, keyPath, caPath].every((path) => existsSync(path))) return undefined;
  const pem = readFileSync(certificatePath, 'utf8');
  const keyPem = readFileSync(keyPath, 'utf8');
  const caPem = readFileSync(caPath, 'utf8');
  const certificate = new X509Certificate(pem);
  const covers = names.every((name) =>
    isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name),
  );
  const fresh =
    Date.parse(certificate.validTo) - nowMs > renewDays * dayMs && Date.parse(certificate.validFrom) <= nowMs;
  const ours =
    certificate.verify(new X509Certificate(caPem).publicKey) &&
    certificate.checkPrivateKey(createPrivateKey(keyPem));
  return covers && fresh && ours ? certificateOf(pem, keyPem, caPem) : undefined;
}

function certificateOf(pem: string, keyPem: string, caPem: string): ServerCertificate {
  return { certificatePem: `${pem}\n${caPem}`, keyPem, caPem, fingerprint: fingerprintOf(caPem) };
}

/** A certificate and key that the operator gives; read at start. */
export function configuredCertificate(files: { certificate: string; key: string }): ServerCertificate {
  const certificatePem = readFileSync(files.certificate, 'utf8');
  return {
    certificatePem,
    keyPem: readFileSync(files.key, 'utf8'),
    caPem: certificatePem,
    fingerprint: fingerprintOf(certificatePem),
  };
}

function fingerprintOf(pem: string): string {
  return createHash('sha256').update(new X509Certificate(pem).raw).digest('hex');
}

function serial(): string {
  // RFC 5280 4.1.2.2: positive, at most 20 octets.
  return `1${Buffer.from(webcrypto.getRandomValues(new Uint8Array(15))).toString('hex')}`.padStart(32, '0');
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    .export({ type: 'pkcs8', format: 'pem' })
    .toString();
}

function replace(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

import 'reflect-metadata';
import { createHash, createPrivateKey, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 24 * 3600 * 1000;
x509.cryptoProvider.set(webcrypto as never);

export interface TestCertificates {
  readonly caPem: string;
  /** Leaf and CA. */
  readonly chainPem: string;
  readonly leafPem: string;
  readonly keyPem: string;
  readonly caFingerprint: string;
  readonly leafFingerprint: string;
}

/** A certificate authority of its own and a server certificate for `names`. */
export async function makeCertificates(names: readonly string[] = ['127.0.0.1']): Promise<TestCertificates> {
  const validity = { notBefore: new Date(Date.now() - dayMs), notAfter: new Date(Date.now() + dayMs) };
  const caKeys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: `CN=test ${Math.random()}`,
    ...validity,
    signingAlgorithm: algorithm,
    keys: caKeys as never,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  });
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const leaf = await x509.X509CertificateGenerator.create({
    serialNumber: '02',
    subject: 'CN=gateway',
    issuer: ca.subject,
    ...validity,
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey as never,
    signingKey: caKeys.privateKey as never,
    extensions: [
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
      ),
    ],
  });
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const hash = (certificate: x509.X509Certificate): string =>
    createHash('sha256').update(Buffer.from(certificate.rawData)).digest('hex');
  return {
    caPem: `${ca.toString('pem')}\n`,
    leafPem: `${leaf.toString('pem')}\n`,
    chainPem: `${leaf.toString('pem')}\n${ca.toString('pem')}\n`,
    keyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    caFingerprint: hash(ca),
    leafFingerprint: hash(leaf),
  };
}

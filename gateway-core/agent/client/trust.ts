import { X509Certificate } from 'node:crypto';
import { connect, type PeerCertificate, type TLSSocket } from 'node:tls';
import { z } from 'zod';
import { ThroughlineError } from '../../contract/errors.js';
import { clientLimits } from './limits.js';

/** SHA-256 of a certificate's DER, lower-case hex. */
export const Fingerprint = z.string().regex(/^[0-9a-f]{64}$/);

/**
 * What makes this client believe that it talks to the gateway. system: the machine's certificate authorities.
 * ca: the gateway's own authority. leaf: exactly this certificate, whatever its names and dates say.
 */
export const Trust = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('system') }),
  z.object({ kind: z.literal('ca'), pem: z.string().max(clientLimits.certificateFileBytesMax) }),
  z.object({ kind: z.literal('leaf'), fingerprint: Fingerprint, pem: z.string() }),
]);
export type Trust = z.infer<typeof Trust>;

/** A gateway's origin: `https://host[:port]`, nothing else. @throws ThroughlineError usage */
export function gatewayOrigin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain =
    url !== undefined &&
    url.protocol === 'https:' &&
    url.username === '' &&
    url.password === '' &&
    url.pathname === '/' &&
    url.search === '' &&
    url.hash === '';
  if (!plain) {
    throw new ThroughlineError('usage', 'the gateway has to be given as https://host:port', {
      action: 'for example: throughline login --gateway https://127.0.0.1:7443',
    });
  }
  return url.origin;
}

/** Whether the gateway's address never leaves this machine. By name or literal only: DNS is not asked. */
export function isLoopback(origin: string): boolean {
  return isLoopbackHost(bareHost(new URL(origin)));
}

export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

/** `AB:CD:..`, `abcd..`, `SHA256:abcd..` as people paste it. @throws ThroughlineError usage */
export function parseFingerprint(text: string): string {
  const parsed = Fingerprint.safeParse(
    text
      .replace(/^sha-?256[:=]/i, '')
      .replaceAll(':', '')
      .toLowerCase(),
  );
  if (parsed.success) return parsed.data;
  throw new ThroughlineError('usage', 'a fingerprint is the SHA-256 of a certificate: 64 hex digits');
}

/** Certificates as a gateway showed them, and whether the machine's authorities vouch for them. */
export interface Presented {
  readonly leaf: X509Certificate;
  /** The last certificate of the chain that the gateway sent; the leaf itself when it sent only that. */
  readonly top: X509Certificate;
  readonly systemTrusts: boolean;
  /** OpenSSL's name for what is wrong, when something is. */
  readonly problem: string | undefined;
}

const chainLengthMax = 10;

/**
 * Looks at a gateway's certificates. INVARIANT: nothing is sent but the TLS handshake, and the connection is
 * closed: what an unverified peer shows is only ever compared or shown.
 * @throws ThroughlineError gateway-unreachable
 */
export async function lookAt(origin: string): Promise<Presented> {
  const url = new URL(origin);
  const host = bareHost(url);
  const socket = connect({
    host,
    port: Number(url.port || 443),
    // Server names are DNS names only (RFC 6066 3).
    ...(isAddress(host) ? {} : { servername: host }),
    rejectUnauthorized: false,
  });
  try {
    await connected(socket);
    return present(socket);
  } catch (error) {
    throw unreachable(origin, error);
  } finally {
    socket.destroy();
  }
}

function connected(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.setTimeout(clientLimits.requestIdleTimeoutMs, () => reject(new Error('timeout')));
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
  });
}

function present(socket: TLSSocket): Presented {
  const chain: X509Certificate[] = [];
  let certificate: PeerCertificate | undefined = socket.getPeerCertificate(true);
  while (certificate?.raw !== undefined && chain.length < chainLengthMax) {
    const x509 = new X509Certificate(certificate.raw);
    if (chain.some((known) => known.fingerprint256 === x509.fingerprint256)) break;
    chain.push(x509);
    certificate =
      'issuerCertificate' in certificate ? (certificate.issuerCertificate as PeerCertificate) : undefined;
  }
  const [leaf] = chain;
  if (leaf === undefined) throw new Error('no certificate');
  const top = chain.at(-1) ?? leaf;
  const problem = socket.authorized ? undefined : String(socket.authorizationError);
  return { leaf, top, systemTrusts: socket.authorized, problem };
}

export function fingerprintOf(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase();
}

/** Trust in exactly the certificate that has this fingerprint: the gateway's own, or the authority that it showed. */
export function pin(presented: Presented, fingerprint: string): Trust | undefined {
  if (fingerprintOf(presented.leaf) === fingerprint) {
    return { kind: 'leaf', fingerprint, pem: presented.leaf.toString() };
  }
  if (fingerprintOf(presented.top) === fingerprint && presented.top.ca) {
    return { kind: 'ca', pem: presented.top.toString() };
  }
  return undefined;
}

/** A PEM text with at least one certificate, all of them readable. @throws ThroughlineError invalid-config */
export function trustAuthority(pem: string, where: string): Trust {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    const certificates = blocks.map((block) => new X509Certificate(block).toString());
    if (certificates.length > 0) return { kind: 'ca', pem: certificates.join('') };
  } catch {
    // Told below, the same way as a file without any certificate.
  }
  throw new ThroughlineError('invalid-config', `${where} holds no readable certificate (PEM)`);
}

/** Host of a URL as sockets and certificates take it: without the brackets of an IPv6 literal. */
export function bareHost(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

export function isAddress(host: string): boolean {
  return host.includes(':') || /^\d+\.\d+\.\d+\.\d+$/.test(host);
}

/** Whatever kept a connection to the gateway from coming up, as one sentence. */
export function unreachable(origin: string, cause: unknown): ThroughlineError {
  if (cause instanceof ThroughlineError) return cause;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  if (code !== undefined && certificateProblem(code)) {
    return new ThroughlineError(
      'gateway-unreachable',
      `the certificate of ${origin} is not the trusted one (${code})`,
      {
        action:
          'if the gateway got a new certificate, sign in again: throughline login --gateway URL with --ca FILE or --fingerprint SHA256',
        fields: { gateway: origin, reason: 'certificate' },
        cause,
      },
    );
  }
  const reason = code ?? (cause instanceof Error ? cause.message : 'unknown');
  return new ThroughlineError(
    'gateway-unreachable',
    `the gateway at ${origin} cannot be reached (${reason})`,
    {
      action: 'check that it runs and that the address is right, or start one with: throughline up --demo',
      fields: { gateway: origin },
      cause,
    },
  );
}

/** Error codes of node:tls for a chain that does not verify (OpenSSL's X509_V_ERR names) or does not fit the host. */
export function certificateProblem(code: string): boolean {
  return /^(ERR_TLS_CERT|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_(GET|VERIFY|DECODE|DECRYPT)|HOSTNAME_|INVALID_)/.test(
    code,
  );
}

import { createHash, type webcrypto, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tlsServerEndPoint } from '../../gateway-core/codec/postgres/certificate.js';
import { codecLimits } from '../../gateway-core/codec/postgres/limits.js';
import { md5PasswordResponse, saslPrepare } from '../../gateway-core/codec/postgres/password.js';
import { deriveVerifier, mockVerifier, type ScramVerifier } from '../../gateway-core/codec/postgres/scram.js';
import {
  type ChannelBindingUse,
  chooseScram,
  ScramClient,
  type ScramClientOptions,
} from '../../gateway-core/codec/postgres/scram-client.js';
import { offeredMechanisms, ScramServer } from '../../gateway-core/codec/postgres/scram-server.js';
import { fuzzer, mutate } from './postgres-support.js';

const clientNonce = 'rOprNGfwEbeRWgbNEkqO';
const serverNonce = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
const plain = { kind: 'chosen', mechanism: 'SCRAM-SHA-256', gs2Header: 'n,,', binding: undefined } as const;
const pencil: Promise<ScramVerifier> = deriveVerifier('pencil', salt, 4096);
const bytes = (text: string) => Buffer.from(text, 'utf8');
const textOf = (data: Uint8Array) => Buffer.from(data).toString('utf8');

function client(more: Partial<ScramClientOptions> = {}): ScramClient {
  return new ScramClient({ choice: plain, password: 'pencil', nonce: clientNonce, ...more });
}

/** A client that has sent its opening. */
function opened(more: Partial<ScramClientOptions> = {}): ScramClient {
  const made = client(more);
  made.first();
  return made;
}

interface Exchange {
  readonly password?: string;
  readonly verifier?: ScramVerifier;
  readonly clientBinding?: Uint8Array;
  readonly serverBinding?: Uint8Array;
  /** What the client is shown of the server's offer. */
  readonly shown?: readonly string[];
  readonly use?: ChannelBindingUse;
}

/** A whole exchange between both sides; the reason of the first failure, or what both think at the end. */
async function exchange(setup: Exchange = {}): Promise<string> {
  const verifier = setup.verifier ?? (await pencil);
  const server = new ScramServer({ verifier, nonce: serverNonce, binding: setup.serverBinding });
  const offered = setup.shown ?? offeredMechanisms(setup.serverBinding);
  const choice = chooseScram(offered, {
    tls: setup.clientBinding !== undefined,
    binding: setup.clientBinding,
    channelBinding: setup.use ?? 'prefer',
  });
  if (choice.kind === 'failed') return choice.reason;
  const side = client({ choice, password: setup.password ?? 'pencil' });
  const challenge = server.challenge(choice.mechanism, side.first());
  if (challenge.kind === 'failed') return challenge.reason;
  const answer = await side.answer(challenge.data);
  if (answer.kind === 'failed') return answer.reason;
  const verdict = server.verdict(answer.data);
  if (verdict.kind === 'failed') return verdict.reason;
  const verified = side.verify(verdict.data);
  return verified.kind === 'failed'
    ? verified.reason
    : `${choice.mechanism} ${choice.gs2Header} ${side.verified}`;
}

describe('SCRAM-SHA-256', () => {
  it('both sides speak the example of RFC 7677 section 3', async () => {
    const side = client({ user: 'user' });
    const server = new ScramServer({ verifier: await pencil, nonce: serverNonce, binding: undefined });
    const first = side.first();
    expect(textOf(first)).toBe('n,,n=user,r=rOprNGfwEbeRWgbNEkqO');
    const challenge = server.challenge('SCRAM-SHA-256', first);
    if (challenge.kind === 'failed') throw new Error(challenge.reason);
    expect(textOf(challenge.data)).toBe(
      'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
    );
    const answer = await side.answer(challenge.data);
    if (answer.kind === 'failed') throw new Error(answer.reason);
    expect(textOf(answer.data)).toBe(
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
    );
    const verdict = server.verdict(answer.data);
    if (verdict.kind === 'failed') throw new Error(verdict.reason);
    expect(textOf(verdict.data)).toBe('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
    expect(side.verify(verdict.data)).toEqual({ kind: 'ok' });
    expect(side.verified).toBe(true);
  });

  it('a wrong password, and a user that does not exist, fail alike', async () => {
    const mock = mockVerifier(Buffer.alloc(32, 1), 'nobody');
    expect(await exchange({ password: 'pencils' })).toBe('the SCRAM proof is wrong');
    expect(await exchange({ verifier: mock })).toBe('the SCRAM proof is wrong');
    expect(mockVerifier(Buffer.alloc(32, 1), 'nobody')).toEqual(mock);
    expect(mockVerifier(Buffer.alloc(32, 1), 'somebody').salt).not.toEqual(mock.salt);
    expect(mockVerifier(Buffer.alloc(32, 2), 'nobody').salt).not.toEqual(mock.salt);
    const real = await pencil;
    for (const key of ['salt', 'storedKey', 'serverKey'] as const)
      expect(mock[key]).toHaveLength(real[key].length);
  });

  it('a mock verifier fails even with a proof that fits it', async () => {
    expect(await exchange({ verifier: { ...(await pencil), mock: true } })).toBe('the SCRAM proof is wrong');
  });

  it('keys of an earlier exchange save the derivation only for the same salt and iterations', async () => {
    const server = new ScramServer({ verifier: await pencil, nonce: serverNonce, binding: undefined });
    const side = client();
    const challenge = server.challenge('SCRAM-SHA-256', side.first());
    if (challenge.kind === 'failed') throw new Error(challenge.reason);
    const answer = await side.answer(challenge.data);
    if (answer.kind === 'failed') throw new Error(answer.reason);
    expect(side.keys).toBeUndefined();
    const verdict = server.verdict(answer.data);
    if (verdict.kind === 'failed') throw new Error(verdict.reason);
    side.verify(verdict.data);
    const knownKeys = side.keys;
    const again = await opened({ knownKeys, password: 'not used' }).answer(challenge.data);
    expect(again).toEqual(answer);
    const other = bytes(textOf(challenge.data).replace('i=4096', 'i=4097'));
    const derived = await opened({ knownKeys }).answer(other);
    expect(derived).toEqual(await opened().answer(other));
  });

  it.each([
    ['a nonce that is not ours', `r=other${serverNonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`],
    ['our nonce alone', `r=${clientNonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`],
    ['too few iterations', `r=${clientNonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095`],
    ['one iteration', `r=${clientNonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1`],
    ['too many iterations', `r=${clientNonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1000001`],
    ['absurd iterations', `r=${clientNonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999999999999999`],
    ['negative iterations', `r=${clientNonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-4096`],
    ['iterations with a leading zero', `r=${clientNonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=04096`],
    ['no salt', `r=${clientNonce}x,s=,i=4096`],
    ['a salt that is not base64', `r=${clientNonce}x,s=!!!!,i=4096`],
    ['a mandatory extension', `m=x,r=${clientNonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`],
    ['an extension', `r=${clientNonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,x=1`],
    ['another order', `s=W22ZaJ0SNY7soEsUEjb6gQ==,r=${clientNonce}x,i=4096`],
    ['nothing', ''],
    ['too much', `r=${clientNonce}${'x'.repeat(5000)},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`],
  ])('the client refuses a challenge with %s, and does not go on', async (_what, text) => {
    const side = opened();
    expect((await side.answer(bytes(text))).kind).toBe('failed');
    expect((await side.answer(bytes(`r=${clientNonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`))).kind).toBe(
      'failed',
    );
    expect(side.verify(bytes('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')).kind).toBe('failed');
  });

  it('the client takes no server that cannot sign, and none that only says yes', async () => {
    const challenge = bytes(`r=${clientNonce}${serverNonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`);
    const verdicts = [
      `v=${Buffer.alloc(32).toString('base64')}`,
      'v=',
      '',
      'e=other-error',
      'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4',
    ];
    for (const verdict of verdicts) {
      const side = opened();
      await side.answer(challenge);
      expect(side.verified).toBe(false);
      expect(side.verify(bytes(verdict)).kind).toBe('failed');
      expect(side.verified).toBe(false);
      expect(side.keys).toBeUndefined();
    }
    expect(client().verify(bytes('v=x')).kind).toBe('failed');
  });

  it('a second challenge while the first is worked on ends the exchange', async () => {
    const challenge = bytes(`r=${clientNonce}${serverNonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`);
    const side = opened();
    const answers = await Promise.all([side.answer(challenge), side.answer(challenge)]);
    expect(answers.map((answer) => answer.kind)).toEqual(['failed', 'failed']);
  });

  it.each([
    ['a proof for another nonce', (text: string) => text.replace('r=rO', 'r=rX')],
    ['no proof', (text: string) => text.replace(/,p=.*/, '')],
    ['a short proof', (text: string) => text.replace(/p=.*/, 'p=AAAA')],
    ['another channel binding', (text: string) => text.replace('c=biws', 'c=eSws')],
    ['an extension', (text: string) => text.replace(',p=', ',x=1,p=')],
    ['a flipped proof', (text: string) => text.replace('p=dH', 'p=eH')],
  ])('the server refuses %s', async (_what, change) => {
    const server = new ScramServer({ verifier: await pencil, nonce: serverNonce, binding: undefined });
    server.challenge('SCRAM-SHA-256', bytes('n,,n=user,r=rOprNGfwEbeRWgbNEkqO'));
    const right =
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=';
    expect(server.verdict(bytes(change(right))).kind).toBe('failed');
    expect(server.verdict(bytes(right)).kind).toBe('failed');
  });

  it.each([
    'n,a=admin,n=,r=abc',
    'm=x,,n=,r=abc',
    'n,,m=x,n=,r=abc',
    'n,,n=,r=',
    'n,,n=,r=a\u0001b',
    'n,,r=abc,n=',
    'n,,n=,r=abc,x=1',
    'y,n=,r=abc',
    'p=tls-unique,,n=,r=abc',
    '',
  ])('the server refuses the opening %j', async (opening) => {
    const server = new ScramServer({ verifier: await pencil, nonce: serverNonce, binding: undefined });
    expect(server.challenge('SCRAM-SHA-256', bytes(opening)).kind).toBe('failed');
  });

  it('a user name that is not ASCII is signed as it came', async () => {
    const server = new ScramServer({ verifier: await pencil, nonce: serverNonce, binding: undefined });
    const side = client({ user: 'zoë,=' });
    const challenge = server.challenge('SCRAM-SHA-256', side.first());
    if (challenge.kind === 'failed') throw new Error(challenge.reason);
    const answer = await side.answer(challenge.data);
    if (answer.kind === 'failed') throw new Error(answer.reason);
    expect(server.verdict(answer.data).kind).toBe('ok');
  });
});

describe('channel binding', () => {
  const here = Buffer.alloc(32, 1);
  const elsewhere = Buffer.alloc(32, 2);

  it('is used where both sides can', async () => {
    const done = 'SCRAM-SHA-256-PLUS p=tls-server-end-point,, true';
    expect(await exchange({ clientBinding: here, serverBinding: here })).toBe(done);
    expect(await exchange({ clientBinding: here, serverBinding: here, use: 'require' })).toBe(done);
  });

  it('fails when the client sees another certificate than the server shows', async () => {
    const reason = 'the SCRAM channel binding does not match';
    expect(await exchange({ clientBinding: elsewhere, serverBinding: here })).toBe(reason);
  });

  it('cannot be taken away by hiding the offer', async () => {
    const setup = { clientBinding: here, serverBinding: here, shown: ['SCRAM-SHA-256'] };
    expect(await exchange(setup)).toBe('the offer of channel binding was taken away on its way');
    expect(await exchange({ ...setup, use: 'require' })).toBe('channel binding is required and not possible');
  });

  it('is left alone where one side cannot or will not', async () => {
    expect(await exchange({ clientBinding: here })).toBe('SCRAM-SHA-256 y,, true');
    expect(await exchange({ clientBinding: here, serverBinding: here, use: 'disable' })).toBe(
      'SCRAM-SHA-256 n,, true',
    );
  });

  it('offered without TLS means that TLS was taken away', async () => {
    expect(await exchange({ serverBinding: here })).toBe('channel binding was offered without TLS');
  });

  it('a server never takes a mechanism that it did not offer', async () => {
    const server = () =>
      pencil.then((verifier) => new ScramServer({ verifier, nonce: serverNonce, binding: undefined }));
    for (const mechanism of ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-1', '', 'scram-sha-256']) {
      const opening = bytes('p=tls-server-end-point,,n=,r=abc');
      expect((await server()).challenge(mechanism, opening).kind).toBe('failed');
    }
  });

  it('no SCRAM on offer is refused, not answered with something weaker', () => {
    const options = { tls: false, binding: undefined, channelBinding: 'prefer' } as const;
    expect(chooseScram(['SCRAM-SHA-1', 'OAUTHBEARER'], options).kind).toBe('failed');
  });
});

describe('hostile SCRAM messages', () => {
  it('mutated ones never throw, and none is believed', async () => {
    const random = fuzzer('SCRAM fuzz');
    const verifier = await pencil;
    const challenge = bytes(`r=${clientNonce}${serverNonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`);
    const verdict = bytes('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
    for (let round = 0; round < 150; round += 1) {
      const side = opened({ iterationsMax: 5000 });
      const changed = mutate(challenge, random);
      const answer = await side.answer(changed);
      const server = new ScramServer({ verifier, nonce: serverNonce, binding: undefined });
      server.challenge('SCRAM-SHA-256', mutate(bytes(`n,,n=,r=${clientNonce}`), random));
      if (answer.kind === 'answer') {
        const lied = mutate(verdict, random);
        expect(side.verify(lied).kind).toBe('failed');
        const forged = mutate(answer.data, random);
        if (!forged.equals(answer.data)) expect(server.verdict(forged).kind).toBe('failed');
      }
    }
  });

  it('a nonce that is short, or that could end its field, is a mistake of the caller', () => {
    for (const nonce of ['', 'short', `${'a'.repeat(20)},r=x`, `${'a'.repeat(20)} `]) {
      expect(() => client({ nonce })).toThrow(/nonce/);
    }
    expect(codecLimits.scramIterationsMin).toBe(4096);
  });
});

describe('passwords', () => {
  it('MD5 answers are what PostgreSQL computes', () => {
    const md5 = (...parts: (string | Uint8Array)[]) => {
      const hash = createHash('md5');
      for (const part of parts) hash.update(part);
      return hash.digest('hex');
    };
    const salt4 = Buffer.from([1, 2, 3, 255]);
    expect(md5PasswordResponse('user', 'secret', salt4)).toBe(`md5${md5(md5('secretuser'), salt4)}`);
  });

  it.each([
    ['plain ~ ASCII', 'plain ~ ASCII'],
    ['I\u00adX', 'IX'],
    ['\u00aa', 'a'],
    ['\u2168', 'IX'],
    ['a\u00a0b', 'a b'],
    ['a\u200bb', 'a b'],
    ['e\u0301', '\u00e9'],
    ['a\u0007b\u2168', 'a\u0007b\u2168'],
    ['\u00ad', '\u00ad'],
    ['', ''],
  ])('SASLprep of %j is %j (RFC 4013 section 3, raw where it is prohibited)', (password, prepared) => {
    expect(saslPrepare(password)).toBe(prepared);
  });
});

describe('tls-server-end-point', () => {
  const rsa = { name: 'RSASSA-PKCS1-v1_5', publicExponent: Uint8Array.of(1, 0, 1), modulusLength: 2048 };
  const pss = { ...rsa, name: 'RSA-PSS' };
  const ec = { name: 'ECDSA', namedCurve: 'P-384' };
  const certificate = async (algorithm: { name: string; hash?: string; saltLength?: number }) => {
    const keys = (await crypto.subtle.generateKey(algorithm, true, [
      'sign',
      'verify',
    ])) as webcrypto.CryptoKeyPair;
    const made = await x509.X509CertificateGenerator.createSelfSigned(
      { name: 'CN=test', keys, signingAlgorithm: algorithm, notAfter: new Date('2040-01-01') },
      crypto,
    );
    return Buffer.from(made.rawData);
  };

  it.each([
    ['RSA with SHA-1', { ...rsa, hash: 'SHA-1' }, 'sha256'],
    ['RSA with SHA-256', { ...rsa, hash: 'SHA-256' }, 'sha256'],
    ['RSA with SHA-384', { ...rsa, hash: 'SHA-384' }, 'sha384'],
    ['RSA with SHA-512', { ...rsa, hash: 'SHA-512' }, 'sha512'],
    ['RSA-PSS with SHA-256', { ...pss, hash: 'SHA-256', saltLength: 32 }, 'sha256'],
    ['RSA-PSS with SHA-512', { ...pss, hash: 'SHA-512', saltLength: 64 }, 'sha512'],
    ['ECDSA with SHA-256', { ...ec, hash: 'SHA-256' }, 'sha256'],
    ['ECDSA with SHA-384', { ...ec, hash: 'SHA-384' }, 'sha384'],
  ])('a certificate signed by %s is hashed as RFC 5929 says', async (_name, algorithm, hash) => {
    const der = await certificate(algorithm);
    expect(new X509Certificate(der).subject).toBe('CN=test');
    expect(tlsServerEndPoint(der)?.toString('hex')).toBe(createHash(hash).update(der).digest('hex'));
  });

  it('Ed25519 has no such hash', async () => {
    expect(tlsServerEndPoint(await certificate({ name: 'Ed25519' }))).toBeUndefined();
  });

  it('what is no certificate has none either, and never throws', async () => {
    const der = await certificate({ ...rsa, hash: 'SHA-384' });
    for (let at = 0; at < der.length; at += 1) expect(tlsServerEndPoint(der.subarray(0, at))).toBeUndefined();
    fc.assert(fc.property(fc.uint8Array(), (junk) => void tlsServerEndPoint(junk)));
    const random = fuzzer('certificate fuzz');
    for (let round = 0; round < 2000; round += 1) tlsServerEndPoint(mutate(der, random));
  });
});

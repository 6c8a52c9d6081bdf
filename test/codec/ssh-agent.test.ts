import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  agentFrameBytesMax,
  signInUser,
  takeAgentRequests,
  writeAgentFailure,
  writeAgentIdentity,
  writeAgentSignature,
} from '../../gateway-core/codec/ssh/agent.js';
import { SshFormatError, SshReader, sshBytes } from '../../gateway-core/codec/ssh/wire.js';

const key = sshBytes('ssh-ed25519', randomBytes(32));
const session = randomBytes(32);
/** RFC 4252 7, as the person's own ssh asks for it to be signed. */
const signIn = (user: string, ...over: readonly string[]): Buffer =>
  Buffer.concat([
    sshBytes(session, { byte: 50 }, user, 'ssh-connection', 'publickey', true, 'ssh-ed25519', key),
    sshBytes(...over),
  ]);
const asks = sshBytes(sshBytes({ byte: 11 }));
const wants = (data: Buffer, which = key): Buffer => sshBytes(sshBytes({ byte: 13 }, which, data, 0));

describe('the agent', () => {
  it('reads its two requests, however they are cut', () => {
    const bytes = Buffer.concat([asks, wants(signIn('host')), asks]);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 6 }), (cuts) => {
        let rest: Buffer = Buffer.alloc(0);
        const kinds: string[] = [];
        const ends = [...cuts.toSorted((a, b) => a - b), bytes.length];
        let from = 0;
        for (const end of ends) {
          const taken = takeAgentRequests(Buffer.concat([rest, bytes.subarray(from, end)]));
          kinds.push(...taken.requests.map(({ kind }) => kind));
          ({ rest } = taken);
          from = end;
        }
        expect(kinds).toEqual(['identities', 'sign', 'identities']);
        expect(rest).toHaveLength(0);
      }),
    );
  });

  it('survives every input: a request, more to come, or too long', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (input) => {
        const bytes = Buffer.from(input);
        try {
          const { rest } = takeAgentRequests(bytes);
          expect(rest.length).toBeLessThanOrEqual(bytes.length);
        } catch (error) {
          expect(error).toBeInstanceOf(SshFormatError);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('takes nothing that is longer than a sign-in can be, before it has come', () => {
    expect(() => takeAgentRequests(sshBytes(agentFrameBytesMax + 1))).toThrow(SshFormatError);
    expect(() => takeAgentRequests(sshBytes(0))).toThrow(SshFormatError);
    expect(takeAgentRequests(sshBytes(agentFrameBytesMax)).requests).toEqual([]);
  });

  it('does nothing else: adding, removing, locking and extensions are refused', () => {
    for (const type of [1, 3, 9, 17, 18, 19, 20, 22, 23, 25, 26, 27, 255])
      expect(takeAgentRequests(sshBytes(sshBytes({ byte: type }, 'x', 'y', 0))).requests).toEqual([
        { kind: 'other' },
      ]);
    for (const message of [
      sshBytes({ byte: 13 }, key),
      sshBytes({ byte: 13 }, key, 'x', 0, 0),
      sshBytes({ byte: 11 }, 1),
    ])
      expect(takeAgentRequests(sshBytes(message)).requests).toEqual([{ kind: 'other' }]);
  });

  it('answers as ssh reads it', () => {
    const inner = (frame: Buffer): SshReader => new SshReader(new SshReader(frame).string());
    expect(inner(writeAgentFailure()).byte()).toBe(5);
    const identity = inner(writeAgentIdentity(key, 'comment'));
    expect([identity.byte(), identity.uint32(), identity.string(), identity.text(99), identity.done]).toEqual(
      [12, 1, key, 'comment', true],
    );
    const signature = inner(writeAgentSignature(session));
    expect(signature.byte()).toBe(14);
    expect(signature.string()).toEqual(sshBytes('ssh-ed25519', session));
    expect(signature.done).toBe(true);
  });
});

describe('what may be signed', () => {
  it('is a sign-in with this key', () => {
    expect(signInUser(signIn('host'), key)).toBe('host');
  });

  it('is nothing else', () => {
    const other = sshBytes('ssh-ed25519', randomBytes(32));
    const fields = [
      session,
      { byte: 50 },
      'host',
      'ssh-connection',
      'publickey',
      true,
      'ssh-ed25519',
      key,
    ] as const;
    const wrong: readonly Buffer[] = [
      signIn('host', 'more'),
      signIn('host').subarray(0, -1),
      sshBytes(...fields.slice(0, -1), other),
      sshBytes('', ...fields.slice(1)),
      sshBytes(session, { byte: 51 }, ...fields.slice(2)),
      sshBytes(...fields.slice(0, 3), 'ssh-userauth', ...fields.slice(4)),
      sshBytes(...fields.slice(0, 4), 'hostbased', ...fields.slice(5)),
      sshBytes(...fields.slice(0, 5), false, ...fields.slice(6)),
      sshBytes(...fields.slice(0, 6), 'ssh-rsa', key),
      Buffer.from('throughline ssh key, version 1\nhttps://gateway'),
      sshBytes('SSHSIG', 'file', '', 'sha512', randomBytes(64)),
      Buffer.alloc(0),
    ];
    for (const data of wrong) expect(signInUser(data, key)).toBeUndefined();
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        (data) => signInUser(Buffer.from(data), key) === undefined,
      ),
      { numRuns: 500 },
    );
  });

  it('is nothing that differs from it in one bit, but for session and user', () => {
    const data = signIn('host');
    const free = new Set([
      ...Array.from({ length: session.length }, (_, at) => 4 + at),
      ...Array.from({ length: 4 }, (_, at) => 4 + session.length + 1 + 4 + at),
    ]);
    fc.assert(
      fc.property(fc.nat(data.length - 1), fc.nat(7), (at, bit) => {
        const changed = Buffer.from(data);
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        if (free.has(at)) return true;
        // `true` is any byte but zero (RFC 4251 5).
        const isTruth = at === data.length - key.length - 4 - 'ssh-ed25519'.length - 4 - 1;
        return isTruth || signInUser(changed, key) === undefined;
      }),
      { numRuns: 2000 },
    );
  });
});

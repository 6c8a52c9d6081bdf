import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { Kysely, Transaction } from 'kysely';
import { type Actor, mayBeAgent } from '../contract/chain.js';
import { ThroughlineError } from '../contract/errors.js';
import { type ConnectionName, PrincipalId } from '../contract/ids.js';
import { SshPublicKey, sshKeyStatement, sshKeyType } from '../contract/ssh-key.js';
import type { StateSchema } from '../store/schema.js';
import type { Clock } from './bounded.js';
import { identityLimits } from './limits.js';
import { keep, type RecordEvent, type SignIns } from './sign-ins.js';

/** A device's key that opens `connection` for `actor`. */
export interface SshKey {
  readonly fingerprint: string;
  readonly actor: Actor;
}

export interface RegisteredSshKey {
  readonly id: string;
  readonly fingerprint: string;
  readonly expiresAtMs: number;
}

export interface SshKeys {
  /**
   * Registers a key of the actor's device for one connection. Whether the actor may use that is for the caller to have
   * decided. Throws `denied` (an agent, a handle), `not-signed-in`, `invalid-request` (no such key, not its proof),
   * `conflict` (another sign-in has it), `not-recordable`.
   */
  readonly register: (
    actor: Actor,
    wanted: { readonly connection: ConnectionName; readonly publicKey: string; readonly proof: string },
  ) => Promise<RegisteredSshKey>;
  /** The actor takes back a key of its own sign-in. False: there is none. */
  readonly forget: (actor: Actor, id: string) => Promise<boolean>;
  /**
   * Who a key signs in, once its signature is known to be right. Undefined, without saying why: unknown, for another
   * connection, signed out, expired.
   */
  readonly find: (publicKey: string, connection: string) => Promise<SshKey | undefined>;
}

export function createSshKeys(options: {
  readonly state: Kysely<StateSchema>;
  readonly clock: Clock;
  readonly record: RecordEvent;
  readonly signIns: SignIns;
  /** The gateway's external origin. */
  readonly issuer: string;
}): SshKeys {
  const { state, clock, record, signIns, issuer } = options;
  let purgedAtMs = 0;

  async function purge(): Promise<void> {
    const now = clock();
    if (now - purgedAtMs <= identityLimits.purgeIntervalMs) return;
    purgedAtMs = now;
    await state.deleteFrom('ssh_keys').where('expires_at_ms', '<=', now).execute();
  }

  /** Keys of clients that were killed stay: the oldest make room. */
  async function makeRoom(database: Transaction<StateSchema>, signIn: string): Promise<void> {
    const kept = await database
      .selectFrom('ssh_keys')
      .select('id')
      .where('sign_in', '=', signIn)
      .orderBy('created_at_ms')
      .execute();
    const over = kept.slice(0, Math.max(0, kept.length + 1 - identityLimits.sshKeysPerSignInMax));
    if (over.length === 0) return;
    const ids = over.map(({ id }) => id);
    await database.deleteFrom('ssh_keys').where('id', 'in', ids).execute();
  }

  async function refuseAnothers(id: string, signIn: string): Promise<void> {
    const known = await state
      .selectFrom('ssh_keys')
      .select('sign_in')
      .where('id', '=', id)
      .executeTakeFirst();
    if (known === undefined || known.sign_in === signIn) return;
    if ((await signIns.live(known.sign_in)) === undefined) return;
    throw new ThroughlineError('conflict', 'another sign-in uses this key', { action: 'make a new key' });
  }

  return {
    async register(actor, { connection, publicKey, proof }) {
      const { deviceKey, signIn } = actor;
      if (actor.delegation !== undefined || deviceKey === undefined || mayBeAgent(actor))
        throw new ThroughlineError('denied', 'an agent cannot register an SSH key', {
          action: 'use a tunnel: throughline connect NAME, or exec',
        });
      const now = clock();
      if (signIns.isEnded(signIn) || actor.expiresAtMs <= now)
        throw new ThroughlineError('not-signed-in', 'the sign-in has ended', { action: 'sign in again' });
      const key = keyOf(publicKey);
      const statement = sshKeyStatement({ issuer, deviceKey, connection, publicKey });
      if (key === undefined || !verify(null, Buffer.from(statement), key, Buffer.from(proof, 'base64')))
        throw new ThroughlineError('invalid-request', 'the SSH key comes without its own proof', {
          action: 'sign with the key that is to be registered, for this gateway and this device',
        });
      await purge();
      const { id, fingerprint } = namesOf(publicKey);
      await refuseAnothers(id, signIn);
      await keep(record, {
        kind: 'ssh-key.registered',
        principal: PrincipalId.parse(actor.chain[0].id),
        signIn,
        deviceKey,
        connection,
        fingerprint,
        expiresAt: new Date(actor.expiresAtMs).toISOString(),
      });
      await state.transaction().execute(async (database) => {
        await database.deleteFrom('ssh_keys').where('id', '=', id).execute();
        await makeRoom(database, signIn);
        await database
          .insertInto('ssh_keys')
          .values({ id, sign_in: signIn, connection, created_at_ms: now, expires_at_ms: actor.expiresAtMs })
          .execute();
      });
      return { id, fingerprint, expiresAtMs: actor.expiresAtMs };
    },

    async forget(actor, id) {
      const gone = await state
        .deleteFrom('ssh_keys')
        .where('id', '=', id)
        .where('sign_in', '=', actor.signIn)
        .executeTakeFirst();
      if (gone.numDeletedRows === 0n) return false;
      await keep(record, {
        kind: 'ssh-key.removed',
        principal: PrincipalId.parse(actor.chain[0].id),
        signIn: actor.signIn,
        fingerprint: `SHA256:${Buffer.from(id, 'base64url').toString('base64').replace('=', '')}`,
      });
      return true;
    },

    async find(publicKey, connection) {
      const { id, fingerprint } = namesOf(publicKey);
      const row = await state
        .selectFrom('ssh_keys')
        .select('sign_in')
        .where('id', '=', id)
        .where('connection', '=', connection)
        .where('expires_at_ms', '>', clock())
        .executeTakeFirst();
      const live = row === undefined ? undefined : await signIns.live(row.sign_in);
      if (live === undefined) return undefined;
      // Nobody can tell here which program of the person holds the key.
      return { fingerprint, actor: signIns.asNow({ ...live.actor, lineage: 'unattributed' }) };
    },
  };
}

function namesOf(publicKey: string): { readonly id: string; readonly fingerprint: string } {
  const hash = createHash('sha256').update(blobOf(publicKey)).digest();
  return {
    id: hash.toString('base64url'),
    fingerprint: `SHA256:${hash.toString('base64').replace('=', '')}`,
  };
}

function blobOf(publicKey: string): Buffer {
  return Buffer.from(publicKey.split(' ')[1] ?? '', 'base64');
}

/** RFC 8709 4. Undefined: it is not what it says. */
function keyOf(publicKey: string): KeyObject | undefined {
  const blob = blobOf(publicKey);
  const head = Buffer.from(`\0\0\0\x0b${sshKeyType}\0\0\0\x20`, 'latin1');
  if (!SshPublicKey.safeParse(publicKey).success || !blob.subarray(0, head.length).equals(head))
    return undefined;
  const x = blob.subarray(head.length).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

import type { Hono } from 'hono';
import { paths } from '../contract/api.js';
import { ThroughlineError } from '../contract/errors.js';
import { SshKeyRequest, type SshKeyResponse } from '../contract/ssh-key.js';
import { Budget } from './budget.js';
import { bodyOf } from './http-body.js';
import type { Permissions } from './permissions.js';
import type { Environment, GatewayRooms } from './rooms.js';

/** One registration a second on the average: each is an entry of the log. */
const asked = { most: 60, perSecond: 1 };

/** Keys of devices for the SSH listener (contract/ssh-key.ts). */
export function addSshKeyRoutes(app: Hono<Environment>, rooms: GatewayRooms, permissions: Permissions): void {
  const { identity, now } = rooms;
  const budget = new Budget(asked);

  app.post(paths.sshKeys, async (context) => {
    const actor = context.get('actor');
    const { connection: name, publicKey, proof } = await bodyOf(context.req.raw, SshKeyRequest);
    const connection = permissions.connection(actor, name);
    if (connection.protocol !== 'ssh')
      throw new ThroughlineError('invalid-request', `"${connection.name}" does not speak SSH`, {
        action: 'choose one whose protocol is ssh: throughline connections',
      });
    if (!budget.spend(actor.signIn, 1, now()))
      throw new ThroughlineError('rate-limited', 'too many SSH keys were registered', {
        action: 'wait a minute',
      });
    const key = await identity.sshKeys.register(actor, { connection: connection.name, publicKey, proof });
    const answer: SshKeyResponse = {
      id: key.id,
      fingerprint: key.fingerprint,
      connection: connection.name,
      expiresAt: new Date(key.expiresAtMs).toISOString(),
      listeners: rooms.info().listeners,
    };
    return context.json(answer, 201);
  });

  app.delete(paths.sshKey(':id').replace('%3A', ':'), async (context) => {
    const id = context.req.param('id') ?? '';
    if (!(await identity.sshKeys.forget(context.get('actor'), id)))
      throw new ThroughlineError('not-found', 'this sign-in has no such SSH key');
    return context.json({ removed: id });
  });
}

import { describe, expect, it } from 'vitest';
import { clientId, demoGrant, paths } from '../../../gateway-core/contract/api.js';
import { limits } from '../../../gateway-core/contract/limits.js';
import { ProviderTokens } from '../../../gateway-core/identity/provider-tokens.js';
import { createSignIns } from '../../../gateway-core/identity/sign-ins.js';
import { Device, demoSecret, memoryState, startGateway, testSealer, verdict } from './support.js';

async function signedIn(user?: string) {
  const gateway = await startGateway();
  const device = await Device.create();
  return { gateway, device, ...(await device.demoSignIn(gateway, user)) };
}
type SignedIn = Awaited<ReturnType<typeof signedIn>>;

const refresh = (gateway: SignedIn['gateway'], device: Device, refreshToken: string) =>
  device.post(gateway, paths.token, { grant_type: 'refresh_token', refresh_token: refreshToken });

const revoke = (gateway: SignedIn['gateway'], token: string) =>
  gateway.fetch(paths.revokeToken, {
    method: 'POST',
    body: new URLSearchParams({ client_id: clientId, token }),
  });

const kinds = ({ gateway }: SignedIn) => gateway.events.map((event) => event.kind);

describe('tickets', () => {
  it('end after their time, and a refresh gives the next one', async () => {
    const { gateway, device, ticket, refreshToken } = await signedIn();
    gateway.clock.pass(limits.ticketTtlMs - 1);
    expect(verdict(await device.call(gateway, ticket))).toBe('proof-nonce');
    expect(verdict(await device.call(gateway, ticket))).toBe('ok');
    gateway.clock.pass(1);
    expect(verdict(await device.call(gateway, ticket))).toBe('not-signed-in');
    const { body } = await refresh(gateway, device, refreshToken);
    expect(verdict(await device.call(gateway, String(body.access_token)))).toBe('ok');
  });

  it('neither they nor refresh tokens stand in the database', async () => {
    const { gateway, ticket, refreshToken } = await signedIn();
    const rows = await Promise.all([
      gateway.state.selectFrom('sign_ins').selectAll().execute(),
      gateway.state.selectFrom('tickets').selectAll().execute(),
    ]);
    expect(JSON.stringify(rows)).not.toContain(ticket.slice(4));
    expect(JSON.stringify(rows)).not.toContain(refreshToken.slice(-43));
    expect(rows.flat()).toHaveLength(2);
  });

  it('are known to the next gateway process over the same state', async () => {
    const state = await memoryState();
    const device = await Device.create();
    const { ticket } = await device.demoSignIn(await startGateway({ state }));
    const next = await startGateway({ state });
    expect(verdict(await device.call(next, ticket))).toBe('proof-nonce');
    expect(verdict(await device.call(next, ticket))).toBe('ok');
  });

  it('of a live cache do not ask the database again', async () => {
    const { gateway, device, ticket } = await signedIn();
    await device.call(gateway, ticket);
    await gateway.state.schema.dropTable('tickets').execute();
    expect(verdict(await device.call(gateway, ticket))).toBe('ok');
  });
});

describe('refresh tokens', () => {
  it('rotate: each works once', async () => {
    const { gateway, device, refreshToken } = await signedIn();
    let current = refreshToken;
    for (let round = 0; round < 3; round += 1) {
      const { status, body } = await refresh(gateway, device, current);
      expect(status).toBe(200);
      expect(body.refresh_token).not.toBe(current);
      current = String(body.refresh_token);
    }
  });

  it('a second use ends the sign-in, with all that hangs below it', async () => {
    const signed = await signedIn();
    const { gateway, device, ticket, refreshToken } = signed;
    const next = (await refresh(gateway, device, refreshToken)).body;
    expect((await refresh(gateway, device, refreshToken)).body).toMatchObject({ error: 'invalid_grant' });
    expect((await refresh(gateway, device, String(next.refresh_token))).body).toMatchObject({
      error: 'invalid_grant',
    });
    for (const held of [ticket, String(next.access_token)])
      expect(verdict(await device.call(gateway, held))).toBe('not-signed-in');
    expect(gateway.events[1]).toMatchObject({ kind: 'identity.signed-out', cause: 'refresh-reused' });
    expect(kinds(signed)).toEqual([
      'identity.signed-in',
      'identity.signed-out',
      'identity.refused',
      'identity.refused',
    ]);
  });

  it('two uses at the same time are a second use', async () => {
    const { gateway, device, ticket, refreshToken } = await signedIn();
    const signIns = createSignIns({
      state: gateway.state,
      clock: gateway.clock.now,
      record: () => Promise.resolve(),
      tokens: new ProviderTokens(testSealer),
    });
    const results = await Promise.all([1, 2, 3].map(() => signIns.refresh(refreshToken, device.thumbprint)));
    expect(results.filter((result) => result.ok)).toHaveLength(1);
    const row = await gateway.state.selectFrom('sign_ins').selectAll().executeTakeFirstOrThrow();
    expect(row).toMatchObject({ end_cause: 'refresh-reused', refresh_hash: null });
    expect(await gateway.state.selectFrom('tickets').selectAll().execute()).toEqual([]);
    expect(verdict(await device.call(gateway, ticket))).toBe('not-signed-in');
  });

  it('with the key of another device they end the sign-in', async () => {
    const { gateway, device, ticket, refreshToken } = await signedIn();
    const thief = await Device.create();
    expect((await refresh(gateway, thief, refreshToken)).body).toMatchObject({ error: 'invalid_grant' });
    expect(verdict(await device.call(gateway, ticket))).toBe('not-signed-in');
    expect((await refresh(gateway, device, refreshToken)).body).toMatchObject({ error: 'invalid_grant' });
  });

  it('one that is made up ends nothing, even with the id of a live sign-in', async () => {
    const { gateway, device, ticket, refreshToken } = await signedIn();
    const forged = `${refreshToken.slice(0, -43)}${'A'.repeat(43)}`;
    expect((await refresh(gateway, device, forged)).body).toMatchObject({ error: 'invalid_grant' });
    expect((await refresh(gateway, device, "x' OR 1=1")).body).toMatchObject({ error: 'invalid_grant' });
    expect(verdict(await device.call(gateway, ticket))).toBe('ok');
  });

  it('never reach beyond the sign-in', async () => {
    const { gateway, device, refreshToken } = await signedIn();
    gateway.clock.pass(limits.signInTtlMs - 60_000);
    const { body } = await refresh(gateway, device, refreshToken);
    expect(body.expires_in).toBe(60);
    gateway.clock.pass(60_000);
    expect(verdict(await device.call(gateway, String(body.access_token)))).toBe('not-signed-in');
    expect((await refresh(gateway, device, String(body.refresh_token))).body).toMatchObject({
      error: 'invalid_grant',
    });
  });
});

describe('sign-out', () => {
  it.each(['ticket', 'refreshToken'] as const)(
    'by %s ends the sign-in at once, and is in the log',
    async (kind) => {
      const signed = await signedIn();
      const { gateway, device, ticket } = signed;
      const ended: string[] = [];
      gateway.identity.onSignInEnded((signIn, cause) => ended.push(`${signIn} ${cause}`));
      expect(verdict(await device.call(gateway, ticket))).toBe('ok');
      expect((await revoke(gateway, signed[kind])).status).toBe(200);
      expect(verdict(await device.call(gateway, ticket))).toBe('not-signed-in');
      expect((await refresh(gateway, device, signed.refreshToken)).body).toMatchObject({
        error: 'invalid_grant',
      });
      expect(ended).toHaveLength(1);
      expect(gateway.events[1]).toMatchObject({ kind: 'identity.signed-out', principal: 'demo/contractor' });
      expect((await revoke(gateway, signed[kind])).status).toBe(200);
    },
  );

  it('of an unknown token is no error and ends nothing', async () => {
    const { gateway, device, ticket } = await signedIn();
    for (const token of ['x', `tlt_${'A'.repeat(43)}`])
      expect((await revoke(gateway, token)).status).toBe(200);
    expect(verdict(await device.call(gateway, ticket))).toBe('ok');
  });

  it('holds from its first moment: no request that is answered later passes', async () => {
    const { gateway, device, ticket } = await signedIn();
    const call = await device.call(gateway, ticket);
    if (!call.ok) throw call.error;
    // A gateway process that has to ask the database: its answer must not outlive the sign-out.
    const next = await startGateway({ state: gateway.state });
    device.nonce = (await device.call(next, ticket)).dpopNonce;
    const late = device.call(next, ticket);
    const done = next.identity.signOut(call.actor.signIn, 'test');
    expect(verdict(await late)).toBe('not-signed-in');
    expect(await done).toBe(true);
    expect(await next.identity.signOut(call.actor.signIn, 'test')).toBe(false);
  });

  it('takes effect even when the log takes no events, and says so', async () => {
    const { gateway, device, ticket } = await signedIn();
    gateway.logFails = true;
    expect((await revoke(gateway, ticket)).status).toBe(503);
    expect(verdict(await device.call(gateway, ticket))).toBe('not-signed-in');
  });
});

describe('the demo sign-in', () => {
  const form = (
    device: Device,
    gateway: SignedIn['gateway'],
    fields: Record<string, string>,
    from?: string,
  ) =>
    device.post(
      gateway,
      paths.token,
      { grant_type: demoGrant, demo_user: 'admin', demo_secret: demoSecret, ...fields },
      from,
    );

  it('works for every account, over loopback of both families', async () => {
    const gateway = await startGateway();
    const device = await Device.create();
    for (const user of ['contractor', 'engineer', 'approver', 'admin', 'auditor'])
      expect((await form(device, gateway, { demo_user: user }, '::1')).body.principal).toBe(`demo/${user}`);
    expect((await form(device, gateway, {}, '::ffff:127.0.0.1')).status).toBe(200);
  });

  it.each([
    ['a wrong secret', { demo_secret: 'x' }, undefined],
    ['no secret', { demo_secret: '' }, undefined],
    ['an unknown account', { demo_user: 'constructor' }, undefined],
    ['a peer that is not this machine', {}, '192.0.2.1'],
    ['a peer that only looks like it', {}, '127.0.0.1.evil.example'],
  ])('is refused with %s, and the refusal is in the log', async (_name, fields, from) => {
    const gateway = await startGateway();
    const device = await Device.create();
    expect((await form(device, gateway, fields, from)).body).toMatchObject({ error: 'invalid_grant' });
    expect(gateway.events).toMatchObject([{ kind: 'identity.refused' }]);
  });

  it('is refused through a proxy', async () => {
    const gateway = await startGateway();
    const device = await Device.create();
    await form(device, gateway, { demo_secret: 'x' });
    const body = new URLSearchParams({
      client_id: clientId,
      grant_type: demoGrant,
      demo_user: 'admin',
      demo_secret: demoSecret,
    });
    const headers = {
      dpop: await device.proof(gateway, 'POST', paths.token),
      'x-forwarded-for': '127.0.0.1',
    };
    const response = await gateway.fetch(paths.token, { method: 'POST', body, headers });
    expect(await response.json()).toMatchObject({ error: 'invalid_grant' });
  });

  it('does not exist on a gateway without demo, nor on one that is not on loopback', async () => {
    for (const options of [{ demo: false }, { issuerUrl: 'https://gateway.example.com' }]) {
      const gateway = await startGateway(options);
      const device = await Device.create();
      const metadata = await (await gateway.fetch(paths.authorizationServer)).json();
      expect(JSON.stringify(metadata)).not.toContain(demoGrant);
      const htu = new URL(paths.token, options.issuerUrl ?? 'https://127.0.0.1:7443').href;
      const send = async () => {
        const dpop = await device.proof(gateway, 'POST', paths.token, undefined, { claims: { htu } });
        const body = new URLSearchParams({
          client_id: clientId,
          grant_type: demoGrant,
          demo_user: 'admin',
          demo_secret: demoSecret,
        });
        const response = await gateway.fetch(paths.token, { method: 'POST', body, headers: { dpop } });
        device.nonce = response.headers.get('dpop-nonce') ?? '';
        return response.json();
      };
      await send();
      expect(await send()).toMatchObject({ error: 'unsupported_grant_type' });
    }
  });
});

describe('the OAuth endpoints', () => {
  it('publish who they are and what they take', async () => {
    const gateway = await startGateway();
    const response = await gateway.fetch(paths.authorizationServer);
    expect(await response.json()).toMatchObject({
      issuer: 'https://127.0.0.1:7443',
      token_endpoint: 'https://127.0.0.1:7443/oauth/token',
      code_challenge_methods_supported: ['S256'],
      dpop_signing_alg_values_supported: ['ES256', 'EdDSA'],
      authorization_response_iss_parameter_supported: true,
    });
  });

  it('answer malformed requests with RFC 6749 errors, other methods with 405, other paths not at all', async () => {
    const gateway = await startGateway();
    const device = await Device.create();
    await device.demoSignIn(gateway);
    const send = async (body: string, type = 'application/x-www-form-urlencoded') => {
      const dpop = await device.proof(gateway, 'POST', paths.token);
      const headers = { dpop, 'content-type': type };
      const response = await gateway.fetch(paths.token, { method: 'POST', body, headers });
      const { error } = (await response.json()) as { error: string };
      return `${response.status} ${error}`;
    };
    const base = 'client_id=throughline&';
    expect(await send('{}', 'application/json')).toBe('400 invalid_request');
    expect(await send(`${base}grant_type=a&grant_type=b`)).toBe('400 invalid_request');
    expect(await send(`${base}x=${'y'.repeat(20_000)}`)).toBe('400 invalid_request');
    expect(await send(base)).toBe('400 invalid_request');
    expect(await send(`${base}grant_type=password`)).toBe('400 unsupported_grant_type');
    expect(await send('client_id=other&grant_type=refresh_token')).toBe('401 invalid_client');
    expect(await send(`${base}grant_type=refresh_token`)).toBe('400 invalid_request');
    expect(await send(`${base}grant_type=authorization_code`)).toBe('400 invalid_request');
    const wrongMethod = await gateway.fetch(paths.token);
    expect([wrongMethod.status, wrongMethod.headers.get('allow')]).toEqual([405, 'POST']);
    expect((await gateway.fetch('/v1/whoami')).status).toBe(404);
  });

  it('bound the requests of one address', async () => {
    const gateway = await startGateway();
    const post = () =>
      gateway.fetch(paths.token, { method: 'POST', body: new URLSearchParams() }, '2001:db8::1');
    const answers = await Promise.all(Array.from({ length: 220 }, post));
    const last = answers.at(-1);
    expect(last?.status).toBe(429);
    expect(await last?.json()).toMatchObject({ error: 'temporarily_unavailable', code: 'rate-limited' });
  });
});

describe('the list of people', () => {
  it('has everybody once, last seen first, with live sign-ins and the groups of the newest', async () => {
    const gateway = await startGateway();
    const device = await Device.create();
    await device.demoSignIn(gateway, 'approver');
    gateway.clock.pass(1_000);
    const { ticket } = await device.demoSignIn(gateway, 'contractor');
    gateway.clock.pass(1_000);
    await device.demoSignIn(gateway, 'approver');
    await revoke(gateway, ticket);
    expect(await gateway.identity.people()).toEqual([
      {
        principal: 'demo/approver',
        groups: ['engineers', 'dba'],
        signIns: 2,
        removal: 'sign-in-end',
        lastSeenAt: iso(gateway, 0),
      },
      { principal: 'demo/contractor', groups: ['contractors'], signIns: 0, lastSeenAt: iso(gateway, -1_000) },
    ]);
  });
});

function iso(gateway: SignedIn['gateway'], offsetMs: number): string {
  return new Date(gateway.clock.now() + offsetMs).toISOString();
}

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { ProviderSettings } from '../../../gateway-core/identity/index.js';

export interface Refreshed {
  readonly status: number;
  readonly body: string;
  readonly location?: string;
  /** With status 200: over those of the login; null: no id_token at all. */
  readonly claims?: Record<string, unknown> | null;
  readonly refreshToken?: string;
}

/** An OIDC provider that answers whatever a test wants. */
export class HostileProvider {
  readonly server: Server = createServer();
  privateKey!: CryptoKey;
  issuer = '';
  idToken: Record<string, unknown> = {};
  header: Record<string, unknown> = {};
  userinfo: Record<string, unknown> | undefined;
  signingKey: CryptoKey | Uint8Array | undefined;
  unsigned = false;
  tokenAnswer: ((fields: URLSearchParams) => { status: number; body: string; location?: string }) | undefined;
  metadata: Record<string, unknown> = {};
  /** What a login is given to be renewed with. */
  firstToken: string | undefined;
  /** What comes of a refresh token; undefined: as of a code. */
  refresh: ((fields: URLSearchParams) => Refreshed | undefined) | undefined;
  asked: URLSearchParams | undefined;
  authorization: string | undefined;

  async start(): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    this.privateKey = privateKey;
    const jwks = JSON.stringify({
      keys: [{ ...(await exportJWK(publicKey)), kid: '1', alg: 'ES256', use: 'sig' }],
    });
    this.server.on('request', (request, response) => {
      const path = new URL(request.url ?? '/', this.issuer).pathname;
      const send = (status: number, body: string, headers: Record<string, string> = {}) =>
        response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
      if (path === '/.well-known/openid-configuration') send(200, JSON.stringify(this.discovery()));
      else if (path === '/jwks') send(200, jwks);
      else if (path === '/userinfo') send(200, JSON.stringify(this.userinfo));
      else {
        let text = '';
        request.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        request.on('end', () => {
          this.asked = new URLSearchParams(text);
          this.authorization = request.headers.authorization;
          const asked = this.asked;
          const refreshed = asked.get('grant_type') === 'refresh_token' ? this.refresh?.(asked) : undefined;
          const answer = this.tokenAnswer?.(asked) ?? (refreshed?.status === 200 ? undefined : refreshed);
          if (answer !== undefined) send(answer.status, answer.body, { location: answer.location ?? '' });
          else void this.tokens(refreshed).then((body) => send(200, body));
        });
      }
    });
    await this.listen(0);
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    this.issuer = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  private discovery() {
    return {
      issuer: this.issuer,
      authorization_endpoint: `${this.issuer}/authorize`,
      token_endpoint: `${this.issuer}/token`,
      jwks_uri: `${this.issuer}/jwks`,
      id_token_signing_alg_values_supported: ['ES256'],
      authorization_response_iss_parameter_supported: true,
      ...(this.userinfo === undefined ? {} : { userinfo_endpoint: `${this.issuer}/userinfo` }),
      ...this.metadata,
    };
  }

  /** Metadata that a gateway gets, and how it is a client. */
  settings(more: Partial<ProviderSettings> = {}): ProviderSettings {
    return {
      name: 'corp',
      issuer: this.issuer,
      clientId: 'client',
      clientSecret: 'secret+/&',
      scopes: ['openid'],
      principalClaim: 'email',
      groupsClaim: 'groups',
      allowInsecureLoopback: true,
      offlineAccess: true,
      providerCheckMinutes: 5,
      ...more,
    };
  }

  /** Signed with the provider's key, unless the test says otherwise. */
  sign(claims: Record<string, unknown>, header: Record<string, unknown> = {}): Promise<string> {
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', kid: '1', ...header })
      .sign(this.signingKey ?? this.privateKey, { crit: { b64x: true } });
  }

  private async tokens(refreshed: Refreshed | undefined): Promise<string> {
    const seconds = Math.floor(Date.now() / 1000);
    const claims = {
      iss: this.issuer,
      aud: 'client',
      iat: seconds,
      exp: seconds + 60,
      ...this.idToken,
      ...refreshed?.claims,
    };
    const header = { alg: 'ES256', kid: '1', ...this.header };
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const token = this.unsigned
      ? `${part({ alg: 'none' })}.${part(claims)}.`
      : await this.sign(claims, header);
    const refreshToken = refreshed === undefined ? this.firstToken : refreshed.refreshToken;
    return JSON.stringify({
      access_token: 'x',
      token_type: 'Bearer',
      ...(refreshed?.claims === null ? {} : { id_token: token }),
      ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
    });
  }
}

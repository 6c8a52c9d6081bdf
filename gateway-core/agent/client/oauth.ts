import type { IncomingMessage } from 'node:http';
import { hostname } from 'node:os';
import { z } from 'zod';
import {
  clientId,
  DeviceAuthorizationResponse,
  demoGrant,
  deviceGrant,
  GatewayInfo,
  paths,
  TokenResponse,
  workloadGrant,
} from '../../contract/api.js';
import { type ErrorCode, errorCodes, fromProblem, Problem, ThroughlineError } from '../../contract/errors.js';
import { header, isSuccess, parseAnswer, parseJson, readProblem, readText, signInAction } from './answers.js';
import type { DeviceKey } from './dpop.js';
import { clientLimits } from './limits.js';
import type { SignIn } from './state.js';
import { notOurs, type Transport } from './transport.js';

/** What is exchanged for a ticket. */
export type Grant =
  | { readonly kind: 'code'; readonly code: string; readonly redirectUri: string; readonly verifier: string }
  | { readonly kind: 'device'; readonly deviceCode: string }
  | { readonly kind: 'demo'; readonly user: string; readonly secret: string }
  | { readonly kind: 'workload'; readonly token: string }
  | { readonly kind: 'refresh'; readonly refreshToken: string };

/** RFC 6749 5.2; a gateway of ours adds its own stable code and what to do. */
const OAuthError = z.object({
  error: z.string().max(200),
  error_description: z.string().max(2000).optional(),
  code: z.string().max(200).optional(),
  action: z.string().max(2000).optional(),
});
export type OAuthError = z.infer<typeof OAuthError>;

export type TokenAnswer =
  | { readonly kind: 'tokens'; readonly tokens: NonNullable<SignIn['tokens']> }
  | { readonly kind: 'refused'; readonly error: OAuthError };

/** The gateway's OAuth 2.1 endpoints, each request with a proof of the device key (RFC 9449 5). */
export interface AuthorizationClient {
  token(grant: Grant): Promise<TokenAnswer>;
  deviceAuthorization(): Promise<DeviceAuthorizationResponse>;
  /** RFC 7009. */
  revoke(token: string): Promise<void>;
}

/** What the gateway says of itself to anyone. Says no when it calls itself by another address. */
export async function gatewayInfo(transport: Transport): Promise<GatewayInfo> {
  const message = await transport.send({ method: 'GET', path: paths.gateway, headers: {} });
  if (!isSuccess(message)) throw await readProblem(transport.origin, message);
  const info = GatewayInfo.safeParse(parseJson(await readText(transport.origin, message)));
  if (!info.success) throw notOurs(transport.origin);
  // RFC 8414 3.3 and RFC 9207: proofs and answers name the issuer, so it has to be the one that was asked.
  if (info.data.issuer.replace(/\/$/, '') !== transport.origin) {
    throw new ThroughlineError(
      'sign-in-refused',
      `the gateway at ${transport.origin} calls itself ${info.data.issuer}`,
      {
        action: 'sign in with that address: throughline login --gateway URL',
      },
    );
  }
  return info.data;
}

/** One device talking to one gateway: what every proof needs. */
export interface Session {
  readonly transport: Transport;
  readonly key: DeviceKey;
  readonly nonce: Nonce;
}

/** The gateway's latest `DPoP-Nonce`: it comes with every answer and goes into the next proof. */
export interface Nonce {
  learn(message: IncomingMessage): void;
  forProof(): { nonce?: string };
}

export function createNonce(): Nonce {
  let latest: string | undefined;
  return {
    learn: (message) => {
      latest = header(message, 'dpop-nonce') ?? latest;
    },
    forProof: () => (latest === undefined ? {} : { nonce: latest }),
  };
}

export function authorizationClient(session: Session): AuthorizationClient {
  const { origin } = session.transport;
  return {
    token: (grant) => token(session, grant),
    deviceAuthorization: async () => {
      const answer = await post(session, paths.deviceAuthorization, {
        client_id: clientId,
        // The code is worth nothing without this device's key, and the page can say which machine asks.
        dpop_jkt: session.key.thumbprint,
        device_name: hostname(),
      });
      if (!answer.ok) throw refusal(origin, answer.text);
      return parseAnswer(origin, answer.text, DeviceAuthorizationResponse);
    },
    revoke: async (value) => {
      const answer = await post(session, paths.revokeToken, { client_id: clientId, token: value });
      if (!answer.ok) throw refusal(origin, answer.text);
    },
  };
}

function fields(grant: Grant): Record<string, string> {
  switch (grant.kind) {
    case 'code':
      return {
        grant_type: 'authorization_code',
        code: grant.code,
        redirect_uri: grant.redirectUri,
        code_verifier: grant.verifier,
      };
    case 'device':
      return { grant_type: deviceGrant, device_code: grant.deviceCode };
    case 'demo':
      return { grant_type: demoGrant, demo_user: grant.user, demo_secret: grant.secret };
    case 'workload':
      return {
        grant_type: workloadGrant,
        subject_token: grant.token,
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      };
    case 'refresh':
      return { grant_type: 'refresh_token', refresh_token: grant.refreshToken };
  }
}

async function token(session: Session, grant: Grant): Promise<TokenAnswer> {
  const { origin } = session.transport;
  const startedMs = Date.now();
  const { ok, text } = await post(session, paths.token, { client_id: clientId, ...fields(grant) });
  if (!ok) {
    const error = oauthError(text);
    if (error === undefined) throw refusal(origin, text);
    return { kind: 'refused', error };
  }
  const answer = parseAnswer(origin, text, TokenResponse);
  const lifeMs = Math.max(0, answer.expires_in) * 1000;
  // A server that does not rotate may leave the refresh token out: the old one stays (RFC 6749 6).
  const refreshToken = answer.refresh_token ?? (grant.kind === 'refresh' ? grant.refreshToken : undefined);
  return {
    kind: 'tokens',
    tokens: {
      accessToken: answer.access_token,
      ...(refreshToken === undefined ? {} : { refreshToken }),
      principal: answer.principal,
      expiresAtMs: startedMs + lifeMs,
      renewAtMs: startedMs + Math.max(lifeMs - clientLimits.renewAheadMs, lifeMs * 0.8),
    },
  };
}

interface FormAnswer {
  readonly ok: boolean;
  readonly text: string;
}

/** One POST of a form; once more when the server wants its nonce in the proof (RFC 9449 8). */
async function post(session: Session, path: string, form: Record<string, string>): Promise<FormAnswer> {
  const answer = await postOnce(session, path, form);
  if (answer.ok || oauthError(answer.text)?.error !== 'use_dpop_nonce') return answer;
  return postOnce(session, path, form);
}

async function postOnce(session: Session, path: string, form: Record<string, string>): Promise<FormAnswer> {
  const { transport, key, nonce } = session;
  const body = new URLSearchParams(form).toString();
  const message = await transport.send({
    method: 'POST',
    path,
    body,
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(Buffer.byteLength(body)),
      accept: 'application/json',
      dpop: key.prove({ method: 'POST', url: `${transport.origin}${path}`, ...nonce.forProof() }),
    },
  });
  nonce.learn(message);
  return { ok: isSuccess(message), text: await readText(transport.origin, message) };
}

function oauthError(text: string): OAuthError | undefined {
  return OAuthError.safeParse(parseJson(text)).data;
}

function refusal(origin: string, text: string): ThroughlineError {
  const problem = Problem.safeParse(parseJson(text));
  if (problem.success) return fromProblem(problem.data);
  const error = oauthError(text);
  return error === undefined ? notOurs(origin) : signInRefused(error);
}

/** A refusal (RFC 6749 5.2, RFC 8628 3.5, RFC 9449 5) as our own error. */
export function signInRefused(refused: OAuthError): ThroughlineError {
  const said = refused.error_description ?? refused.error;
  switch (refused.error) {
    case 'authorization_pending':
      return new ThroughlineError('sign-in-pending', 'nobody has confirmed the sign-in yet');
    case 'slow_down':
      return new ThroughlineError('rate-limited', 'asked too often');
    case 'expired_token':
      return new ThroughlineError('sign-in-refused', 'the sign-in was not confirmed in time', {
        action: signInAction,
      });
    case 'invalid_dpop_proof':
    case 'use_dpop_nonce':
      return new ThroughlineError('proof-invalid', `the gateway did not take the device's proof (${said})`, {
        action: 'check that this machine has the right time, then try again',
      });
    default:
      return new ThroughlineError(ownCode(refused.code), `the gateway refused the sign-in (${said})`, {
        action: refused.action ?? 'check who signs in and try again: throughline login',
      });
  }
}

function ownCode(code: string | undefined): ErrorCode {
  return code !== undefined && Object.hasOwn(errorCodes, code) ? (code as ErrorCode) : 'sign-in-refused';
}

import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import {
  writeAuthenticationSasl,
  writeAuthenticationSaslContinue,
  writeAuthenticationSaslFinal,
  writeReport,
} from '../../codec/postgres/backend-writers.js';
import { MessageFramer } from '../../codec/postgres/framer.js';
import { bodyOf, readSaslInitialResponse } from '../../codec/postgres/frontend.js';
import { frontendTypes } from '../../codec/postgres/messages.js';
import { mockVerifier, type ScramVerifier } from '../../codec/postgres/scram.js';
import { offeredMechanisms, ScramServer } from '../../codec/postgres/scram-server.js';
import { MessageWriter } from '../../codec/postgres/writer.js';
import { StreamReader, writeAll } from './stream-reader.js';

/**
 * SCRAM-SHA-256, with channel binding where the client has TLS, against the verifier of the handle that the client's
 * user names. A handle that does not exist, has expired or is used up runs through the same exchange and fails at its end.
 * Returns false after telling the client; the reason stays here.
 */
export async function authenticateHandle(
  stream: Duplex,
  user: string,
  verifier: ScramVerifier | undefined,
  binding: Uint8Array | undefined,
  mockKey: Uint8Array,
  signal: AbortSignal,
): Promise<boolean> {
  const server = new ScramServer({
    verifier: verifier ?? mockVerifier(mockKey, user),
    nonce: randomBytes(24).toString('base64'),
    binding,
  });
  const writer = new MessageWriter();
  writeAuthenticationSasl(writer, offeredMechanisms(binding));
  await writeAll(stream, writer.take());

  const opening = await nextPassword(stream, signal);
  const initial = opening === undefined ? undefined : readSaslInitialResponse(opening);
  if (initial === undefined || initial.kind === 'malformed') return refuse(stream);
  const challenge = server.challenge(initial.mechanism, initial.data);
  if (challenge.kind === 'failed') return refuse(stream);
  writeAuthenticationSaslContinue(writer, challenge.data);
  await writeAll(stream, writer.take());

  const proof = await nextPassword(stream, signal);
  if (proof === undefined) return refuse(stream);
  const verdict = server.verdict(bodyOf(proof));
  if (verdict.kind === 'failed') return refuse(stream);
  writeAuthenticationSaslFinal(writer, verdict.data);
  await writeAll(stream, writer.take());
  return true;
}

const passwordBytesMax = 8192;

async function nextPassword(
  stream: Duplex,
  signal: AbortSignal,
): Promise<{ buffer: Uint8Array; bodyStart: number; end: number } | undefined> {
  const reader = new StreamReader(stream);
  const framer = new MessageFramer('frontend', {
    messageBytesMax: (type) => (type === frontendTypes.password ? passwordBytesMax : 0),
  });
  for (;;) {
    const chunk = await reader.read(signal);
    if (chunk === undefined) return undefined;
    framer.push(chunk);
    const event = framer.next();
    if (event === 'more') continue;
    if (event !== 'message') return undefined;
    const { buffer, bodyStart, end } = framer;
    // A client waits for our answer: bytes behind its message come from someone else, or from no client.
    return framer.next() === 'more' ? { buffer, bodyStart, end } : undefined;
  }
}

async function refuse(stream: Duplex): Promise<false> {
  const writer = new MessageWriter();
  writeReport(writer, {
    severity: 'FATAL',
    code: '28P01',
    message: 'throughline: the handle is not valid',
    hint: 'Handles live for minutes: get a new one with throughline handle CONNECTION.',
  });
  await writeAll(stream, writer.take());
  stream.end();
  return false;
}

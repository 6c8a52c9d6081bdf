import { openFailures, stderrType, writeMessage } from '../../codec/ssh/messages.js';
import { sshBytes } from '../../codec/ssh/wire.js';
import type { Channel } from './channel.js';
import type { Parts } from './parts.js';

/** Exit status of a command that was found and may not run (POSIX shell, 2.8.2). */
export const refusedStatus = 126;

/** The client's request to open a channel is refused in the protocol's own way. */
export function refuseOpen(
  parts: Parts,
  clientId: number,
  reason: keyof typeof openFailures,
  text: string,
): void {
  const failure = { kind: 'open-failure' as const, recipient: clientId, reason: openFailures[reason], text };
  parts.outbox.push(writeMessage(failure), true);
}

/**
 * A command, shell or subsystem is refused. CHANNEL_FAILURE carries no text, and OpenSSH drops what came on stderr when
 * it sees one: so the client is told that it runs, reads why it does not, and gets an exit status. The target's channel
 * is closed; its answer closes the client's, whose number could be another channel's by then otherwise.
 */
export function refuseRequest(parts: Parts, channel: Channel, wantReply: boolean, text: string): void {
  const { clientId, targetId } = channel;
  if (clientId === undefined || targetId === undefined) return;
  channel.state = 'refused';
  if (wantReply) answer(parts, channel, writeMessage({ kind: 'success', recipient: clientId }));
  say(parts, channel, text);
  const status = sshBytes(refusedStatus);
  const messages = [
    writeMessage({
      kind: 'request',
      recipient: clientId,
      name: 'exit-status',
      wantReply: false,
      data: status,
    }),
    writeMessage({ kind: 'eof', recipient: clientId }),
  ];
  for (const message of messages) parts.outbox.push(message, true);
  parts.upstream.pass(writeMessage({ kind: 'close', recipient: targetId }));
}

/** A line of the gateway's own, where the person looks: in the terminal, or on stderr. Only if the client has room. */
export function say(parts: Parts, channel: Channel, text: string): void {
  const { clientId } = channel;
  if (clientId === undefined) return;
  const line = Buffer.from(`${text}\r\n`);
  if (line.length > channel.clientWindowBytes) return;
  channel.clientWindowBytes -= line.length;
  channel.injectedBytes += line.length;
  parts.outbox.push(
    writeMessage(
      channel.pty === undefined
        ? { kind: 'extended-data', recipient: clientId, type: stderrType, data: line }
        : { kind: 'data', recipient: clientId, data: line },
    ),
    true,
  );
}

/** An answer of ours to a request on a channel: behind those that the target still owes. */
export function answer(parts: Parts, channel: Channel, payload: Buffer): void {
  if (channel.replies.length === 0) parts.outbox.push(payload, true);
  else channel.replies.push(payload);
}

/** A request that is not judged and not known is refused: RFC 4254 6.2 and following. */
export function refuseUnknown(parts: Parts, channel: Channel, wantReply: boolean): void {
  if (!wantReply || channel.clientId === undefined) return;
  answer(parts, channel, writeMessage({ kind: 'failure', recipient: channel.clientId }));
}

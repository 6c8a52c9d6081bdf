import type { Duplex } from 'node:stream';
import type { EventName, EventPayload } from '../../contract/bridge/calls.js';
import type { PeerLookUp } from '../tunnel/peer.js';

type EngineEvents = Extract<
  EventName,
  'ssh.session' | 'ssh.closed' | 'transfer.changed' | 'forwards.changed' | 'notice'
>;

export interface SshEngineOptions {
  /** A raw SSH stream of one new gateway session. */
  openStream(connection: string): Promise<Duplex>;
  /** Lines as in a .pub file of OpenSSH: the keys that the gateway may prove itself with. None: nobody is believed. */
  hostKeys(): readonly string[];
  /** The gateway's session behind a stream, where it is known. */
  sessionOf(stream: Duplex): string | undefined;
  emit<N extends EngineEvents>(name: N, payload: EventPayload<N>): void;
  /** An existing directory: downloads go there. */
  exportDirectory(): string;
  /** How to tell whose a socket of a local forward is. */
  readonly lookUp?: PeerLookUp;
}

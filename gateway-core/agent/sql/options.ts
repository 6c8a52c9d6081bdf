import type { Duplex } from 'node:stream';
import type { ConnectionDetail } from '../../contract/api.js';
import type { EventName, EventPayload } from '../../contract/bridge/calls.js';
import type { KeptResult, ShownResult } from '../recording/session.js';

type EngineEvents = Extract<EventName, 'sql.session' | 'sql.closed' | 'sql.run' | 'export.changed'>;

/** Takes down what the person saw and kept. */
export interface ShowRecorder {
  shown(result: ShownResult): void;
  kept(result: KeptResult): void;
}

export interface SqlEngineOptions {
  /** A raw PostgreSQL stream of one new gateway session. */
  openStream(connection: string): Promise<Duplex>;
  /** This desktop's record of a stream, where it keeps one. */
  recorded?(stream: Duplex): ShowRecorder | undefined;
  /** What the gateway says of the connection: user, database, masks. */
  detail(connection: string): Promise<ConnectionDetail>;
  emit<N extends EngineEvents>(name: N, payload: EventPayload<N>): void;
  /** An existing directory. */
  exportDirectory(): string;
  /** A private directory, and sealing of one line. */
  readonly history: {
    readonly directory: string;
    seal(text: string): Promise<string>;
    unseal(text: string): Promise<string | undefined>;
  };
  principal(): string;
  nowMs(): number;
}

import type { Duplex } from 'node:stream';
import type { ConnectionDetail } from '../../contract/api.js';
import type { EventName, EventPayload } from '../../contract/bridge/calls.js';

type EngineEvents = Extract<EventName, 'sql.session' | 'sql.closed' | 'sql.run' | 'export.changed'>;

export interface SqlEngineOptions {
  /** A raw PostgreSQL stream of one new gateway session. */
  openStream(connection: string): Promise<Duplex>;
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

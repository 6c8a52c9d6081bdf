import type { Appended, Permit } from '../../contract/decision.js';
import type { Channels } from './channel.js';
import type { SshContext } from './context.js';
import type { GlobalRequests } from './global-requests.js';
import type { Outbox } from './outbox.js';
import type { Output } from './output.js';

/** The way to the target. */
export interface Upstream {
  /** What begins a use of the target: only with policy's permit, and once the journal has it. */
  begin(payload: Uint8Array, permit: Permit, appended: Appended): void;
  /** What belongs to something that was begun, or begins nothing. */
  pass(payload: Uint8Array): void;
}

/** Lets nothing more of the client be read until `work` has called back. */
export type Hold = (work: (done: () => void) => void) => void;

/** What both sides of one session work with. */
export interface Parts {
  readonly context: SshContext;
  readonly channels: Channels;
  readonly requests: GlobalRequests;
  readonly upstream: Upstream;
  readonly outbox: Outbox;
  readonly output: Output;
  /** What the target may open channels for, once it was allowed. */
  readonly allowed: Set<'agent' | 'x11'>;
}

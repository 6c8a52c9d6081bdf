import type { EventName, EventPayload } from '../../contract/bridge/calls.js';

/** Tells the host, which tells every window. */
export type Emit = <N extends EventName>(name: N, payload: EventPayload<N>) => void;

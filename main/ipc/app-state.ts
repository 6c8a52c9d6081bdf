import { AppState, type HostKind } from '../../gateway-core/contract/bridge/app.js';

export interface HostFacts {
  readonly host: HostKind;
  readonly hostReason: string;
  readonly version: string;
  readonly platform: string;
}

/** The host's part of the app's state put over what the agent said last, so that there is one value. */
export interface HeldState {
  current(): AppState;
  /** An `app.changed` of the agent. False when it has another shape. */
  fromAgent(payload: unknown): boolean;
  agentIs(state: AppState['agent']): void;
  embeddedIs(embedded: AppState['embedded']): void;
  /** An address that waits for a person to compare its fingerprint; it is forgotten once the app is there. */
  wantedIs(url: string | undefined): void;
}

export function holdState(facts: HostFacts, changed: (state: AppState) => void): HeldState {
  let agent: AppState['agent'] = 'stopped';
  let embedded: AppState['embedded'];
  let wanted: string | undefined;
  let told: AppState = { ...facts, agent, signIn: { state: 'signed-out' } };
  const current = (): AppState => {
    const { embedded: _, wanted: __, ...rest } = told;
    return {
      ...rest,
      ...facts,
      agent,
      ...(embedded === undefined ? {} : { embedded }),
      ...(wanted === undefined || wanted === rest.gateway?.url ? {} : { wanted }),
    };
  };
  return {
    current,
    fromAgent: (payload) => {
      const parsed = AppState.safeParse(payload);
      if (!parsed.success) return false;
      told = parsed.data;
      changed(current());
      return true;
    },
    agentIs: (state) => {
      agent = state;
      changed(current());
    },
    embeddedIs: (next) => {
      embedded = next;
      changed(current());
    },
    wantedIs: (next) => {
      wanted = next;
      changed(current());
    },
  };
}

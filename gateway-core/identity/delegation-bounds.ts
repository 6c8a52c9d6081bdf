import type { Scope } from '../contract/chain.js';
import { type DelegationRequest, delegationLimits } from '../contract/delegation.js';
import { ThroughlineError } from '../contract/errors.js';

/** What a parent can give at most. */
export interface ParentBounds {
  /** Within everything above it. */
  readonly scope: Scope;
  readonly depth: number;
  readonly depthMax: number;
  readonly expiresAtMs: number;
}

export interface ChildBounds {
  readonly scope: Scope;
  readonly depth: number;
  readonly depthMax: number;
  readonly expiresAtMs: number;
  readonly sessionsMax: number;
  readonly childrenMax: number;
}

type Wanted = Pick<DelegationRequest, 'connections' | 'actions' | 'levels' | 'budget'> & {
  readonly expiresAtMs: number;
};

/**
 * The bounds of a child. INVARIANT: none is wider than the parent's: what is asked for beyond is refused, not cut,
 * so that nobody believes to have given what they could not give. Time is cut: it has a natural end. Pure.
 * @throws ThroughlineError denied, naming what is too wide
 */
export function childBounds(parent: ParentBounds, wanted: Wanted): ChildBounds {
  const depth = parent.depth + 1;
  if (depth > parent.depthMax)
    throw tooWide(
      `a delegation ${parent.depth} ${parent.depth === 1 ? 'level' : 'levels'} deep may not have children here`,
      'let the level above start it, or ask for more --depth above',
    );
  const left = parent.depthMax - depth;
  if (wanted.levels !== undefined && wanted.levels > left)
    throw tooWide(
      `${wanted.levels} more levels are wider than the ${left} that the parent has left`,
      'ask for fewer with --depth',
    );
  return {
    scope: narrowed(parent.scope, wanted),
    depth,
    depthMax: depth + (wanted.levels ?? left),
    expiresAtMs: Math.min(wanted.expiresAtMs, parent.expiresAtMs),
    sessionsMax: wanted.budget?.sessions ?? delegationLimits.sessionsDefault,
    childrenMax: wanted.budget?.children ?? delegationLimits.childrenDefault,
  };
}

/** What two scopes allow together. Pure. */
export function intersection(outer: Scope, inner: Scope): Scope {
  const connections = both(outer.connections, inner.connections);
  const actions = both(outer.actions, inner.actions);
  return {
    ...(connections === undefined ? {} : { connections }),
    ...(actions === undefined ? {} : { actions }),
  };
}

function both(outer: readonly string[] | undefined, inner: readonly string[] | undefined) {
  if (outer === undefined || inner === undefined) return outer ?? inner;
  return inner.filter((each) => outer.includes(each));
}

function narrowed(parent: Scope, wanted: Wanted): Scope {
  for (const [what, asked, held] of [
    ['connections', wanted.connections, parent.connections],
    ['actions', wanted.actions, parent.actions],
  ] as const) {
    const beyond = asked?.filter((each) => held !== undefined && !held.includes(each)) ?? [];
    if (beyond.length > 0)
      throw tooWide(
        `the parent does not include the ${what} ${beyond.slice(0, 5).join(', ')}`,
        'a child can only narrow: leave them out, or ask above for a wider delegation',
      );
  }
  return intersection(parent, {
    ...(wanted.connections === undefined ? {} : { connections: [...new Set(wanted.connections)] }),
    ...(wanted.actions === undefined ? {} : { actions: [...new Set(wanted.actions)] }),
  });
}

function tooWide(message: string, action: string): ThroughlineError {
  return new ThroughlineError('denied', message, { action });
}

import { z } from 'zod';
import type { Chain } from './chain.js';
import { EndCause, StatementDecision, WatchEnd } from './events.js';
import { Timestamp } from './ids.js';

/** Who watches a session that runs, as everybody is told who may see the session: first of all whose it is. */
export const Watcher = z.object({
  /** Root of the watcher's chain. */
  principal: z.string(),
  /** The person's name; an agent's in front of it. */
  name: z.string(),
  since: Timestamp,
});
export type Watcher = z.infer<typeof Watcher>;

/** Somebody who has watched, or does: without `until` to the session's end, or still. */
export const PastWatcher = Watcher.extend({ until: Timestamp.optional() });
export type PastWatcher = z.infer<typeof PastWatcher>;

const nameCharactersMax = 120;

/** The person, and in front of them the agent that watches for them. Fit for a terminal: names come from outside. */
export function watcherName(chain: Chain): string {
  const [person] = chain;
  const agent = chain.findLast((hop) => hop.kind === 'agent');
  const name = agent === undefined ? person.name : `${agent.name} of ${person.name}`;
  return name.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '?').slice(0, nameCharactersMax);
}

const of = { atMs: z.number(), seq: z.number().int() };

/**
 * One line of `GET /v1/sessions/ID/watch` (NDJSON): what the client is shown from now on, masked, once it is durable.
 * `atMs` counts from the session's start; `seq` is the statement that a terminal or an output belongs to.
 */
export const WatchItem = z.discriminatedUnion('kind', [
  /** The first line, and one every few seconds: `at` is the gateway's clock. */
  z.object({ kind: z.literal('beat'), at: Timestamp }),
  /** What runs, or was just decided. Repeated behind `missed`. */
  z.object({
    kind: z.literal('statement'),
    ...of,
    command: z.string(),
    text: z.string(),
    decision: StatementDecision,
    message: z.string().optional(),
  }),
  /**
   * A terminal as it stands: begin anew with this size and text. Text with escape sequences, for an emulator only.
   * `whole` is false where output before it was left out: what no program has painted since is missing.
   */
  z.object({
    kind: z.literal('screen'),
    ...of,
    columns: z.number().int(),
    rows: z.number().int(),
    data: z.string(),
    whole: z.boolean(),
  }),
  /** What a terminal was sent next: text with escape sequences. */
  z.object({ kind: z.literal('terminal'), ...of, data: z.string() }),
  z.object({ kind: z.literal('size'), ...of, columns: z.number().int(), rows: z.number().int() }),
  /** Of a program without a terminal. `cut`: something before it was left out. */
  z.object({
    kind: z.literal('output'),
    ...of,
    stream: z.enum(['stdout', 'stderr']),
    text: z.string(),
    cut: z.boolean(),
  }),
  z.object({
    kind: z.literal('outcome'),
    ...of,
    state: z.string(),
    tag: z.string().optional(),
    error: z.string().optional(),
  }),
  /** This reader was too slow: what waited for it is dropped. What runs and every terminal follow as they are now. */
  z.object({ kind: z.literal('missed') }),
  /** The session ended. */
  z.object({ kind: z.literal('end'), atMs: z.number(), endCause: EndCause }),
  /** The last line: nothing more is shown. After `time` whoever still may asks again. */
  z.object({ kind: z.literal('closed'), why: WatchEnd }),
]);
export type WatchItem = z.infer<typeof WatchItem>;

/** Bounds of a watched terminal: a larger one is shown in this much of it. The same for whoever paints it. */
export const watchedColumnsMax = 500;
export const watchedRowsMax = 200;

/** The size that is painted for what a terminal says it has. RFC 4254 6.2: zero says nothing. */
export function watchedSize(size: { readonly columns: number; readonly rows: number }): {
  readonly columns: number;
  readonly rows: number;
} {
  const within = (value: number, most: number, otherwise: number): number =>
    Math.max(2, Math.min(most, Math.trunc(value) || otherwise));
  return {
    columns: within(size.columns, watchedColumnsMax, 80),
    rows: within(size.rows, watchedRowsMax, 24),
  };
}

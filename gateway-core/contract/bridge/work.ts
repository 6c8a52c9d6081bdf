import { z } from 'zod';
import { StatementDecision } from '../events.js';
import { BridgeError } from './app.js';

/** A listening port that turns every accepted socket into a session on one connection. */
export const TunnelView = z.object({
  connection: z.string(),
  state: z.enum(['open', 'opening', 'failed']),
  host: z.string(),
  /** 0 while it does not listen. */
  port: z.number().int(),
  user: z.string(),
  database: z.string(),
  /**
   * Where nobody can tell whose a socket is, whoever connects has to give it; sessions are unattributed then. It is over
   * with the tunnel.
   */
  password: z.string().optional(),
  /** Sockets that are open now. */
  sockets: z.number().int(),
  error: BridgeError.optional(),
  /** Refusals since it opened: other users of this machine, too many sockets. */
  refused: z.number().int(),
  /** Ready to paste, by the tool that they are for; the first is a command. Empty while it does not listen. */
  lines: z.array(z.object({ name: z.string(), text: z.string() })),
});
export type TunnelView = z.infer<typeof TunnelView>;

/** Sets of one replay: what happened, by index; contents are fetched in pages. */
export const ReplayStatement = z.object({
  /** Index of its first item. */
  item: z.number().int(),
  atMs: z.number(),
  seq: z.number().int(),
  text: z.string(),
  decision: StatementDecision,
  rows: z.number().optional(),
  error: z.string().optional(),
  /** It has something of its own to show that is not its terminal: rows, output, a file. */
  shows: z.boolean(),
});
export const ReplayHead = z.object({
  replay: z.string(),
  items: z.number().int(),
  durationMs: z.number(),
  statements: z.array(ReplayStatement),
  /** Terminals, by the statement that each belongs to: their items are `terminal` and `size`. */
  terminals: z.array(
    z.object({
      seq: z.number().int(),
      columns: z.number().int(),
      rows: z.number().int(),
      fromMs: z.number(),
      toMs: z.number(),
    }),
  ),
  /** Times at which something was shown, for skipping what is idle: not every one, ascending. */
  activityMs: z.array(z.number()),
  problems: z.array(z.object({ code: z.string(), text: z.string() })),
  /** More was recorded than a replay holds in memory; the rest is left out, and the view says so. */
  cut: z.boolean(),
  /** The session still runs: open again for more. */
  live: z.boolean(),
});
export type ReplayHead = z.infer<typeof ReplayHead>;
export type ReplayTerminal = ReplayHead['terminals'][number];

export const HistoryEntry = z.object({
  id: z.string(),
  at: z.string(),
  connection: z.string(),
  principal: z.string(),
  /** The text as it was run: kept sealed on this device only. */
  text: z.string(),
  state: z.enum(['running', 'ok', 'error', 'denied', 'cancelled', 'interrupted']),
  durationMs: z.number().optional(),
  rows: z.number().optional(),
  error: z.string().optional(),
  session: z.string().optional(),
});
export type HistoryEntry = z.infer<typeof HistoryEntry>;

export const exportFormats = ['csv', 'json', 'ndjson'] as const;
export const ExportView = z.object({
  id: z.string(),
  name: z.string(),
  format: z.enum(exportFormats),
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  rows: z.number().int(),
  /** When it is known. */
  rowsTotal: z.number().int().optional(),
  bytes: z.number().int(),
  path: z.string(),
  maskedCells: z.number().int(),
  error: BridgeError.optional(),
});
export type ExportView = z.infer<typeof ExportView>;

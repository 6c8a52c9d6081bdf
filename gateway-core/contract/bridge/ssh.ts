import { z } from 'zod';
import { BridgeError } from './app.js';

/** Output of one read. A terminal that is behind by `unreadBytesMax` pauses its channel. */
export const terminalPieceBytesMax = 128 * 1024;
/** Typed or pasted text of one write; longer pastes come in pieces. */
export const terminalInputCharactersMax = 64 * 1024;
/** One piece of an upload. */
export const uploadPieceBytesMax = 256 * 1024;
/** A text file that is edited in the window. */
export const editedFileBytesMax = 4 * 1024 * 1024;
export const directoryEntriesMax = 100_000;
export const directoryPageMax = 5000;

export const SshKey = z.string().regex(/^ssh_[a-z0-9]{1,32}$/);
export const TransferKey = z.string().regex(/^trf_[a-z0-9]{1,32}$/);
export const ForwardKey = z.string().regex(/^fwd_[a-z0-9]{1,32}$/);
export const ListingKey = z.string().regex(/^lst_[a-z0-9]{1,32}$/);

/** A terminal's size in characters (RFC 4254 6.2). */
export const TerminalSize = z.object({
  columns: z.number().int().min(1).max(2000),
  rows: z.number().int().min(1).max(2000),
});
export type TerminalSize = z.infer<typeof TerminalSize>;

/** A path on the target: absolute, or relative to where SFTP begins. No NUL: no server takes one. */
export const RemotePath = z
  .string()
  .min(1)
  .max(4096)
  .refine((path) => !path.includes('\0'), 'no NUL character');
export type RemotePath = z.infer<typeof RemotePath>;

/**
 * One SSH connection of a terminal tab: one session at the gateway, with a shell and SFTP as its channels. It keeps its
 * key over reconnects, and lives on in the agent process when the page is loaded again.
 */
export const SshSession = z.object({
  key: SshKey,
  connection: z.string(),
  /** The gateway's session, once it is known. */
  session: z.string().optional(),
  state: z.enum(['connecting', 'ready', 'closed']),
  /** How the shell stands: it may be refused, or be over, while files can still be reached. */
  shell: z.discriminatedUnion('state', [
    z.object({ state: z.literal('none') }),
    z.object({ state: z.literal('opening') }),
    z.object({ state: z.literal('open') }),
    z.object({ state: z.literal('refused'), problem: BridgeError }),
    z.object({
      state: z.literal('ended'),
      status: z.number().int().optional(),
      signal: z.string().optional(),
    }),
  ]),
  /** Why the connection closed. */
  problem: BridgeError.optional(),
});
export type SshSession = z.infer<typeof SshSession>;

/**
 * Output by its place in everything that the terminal has put out. Asking from `from` says that all before it was taken:
 * that is what lets the channel go on, and it may be asked again from there after a break.
 */
export const TerminalPiece = z.object({
  /** Greater than was asked for where the output before it is not kept any more. */
  from: z.number().int().nonnegative(),
  /** base64 */
  data: z.string(),
  /** Up to here some window has taken it before: a replay, in which nothing must be answered to the target. */
  seen: z.number().int().nonnegative(),
  /** The shell that put this out is over, and this is the last of it. */
  ended: z.boolean(),
});
export type TerminalPiece = z.infer<typeof TerminalPiece>;

/** One entry of a directory (draft-ietf-secsh-filexfer-02, 5 and 7). */
export const RemoteEntry = z.object({
  /** Without a slash; as the server sent it. */
  name: z.string().max(4096),
  kind: z.enum(['file', 'directory', 'link', 'other']),
  size: z.number().nonnegative(),
  /** Seconds since 1970. */
  modified: z.number().int().nonnegative(),
  /** The twelve lower bits of the mode. */
  mode: z.number().int().min(0).max(0o7777),
  uid: z.number().int().nonnegative(),
  gid: z.number().int().nonnegative(),
});
export type RemoteEntry = z.infer<typeof RemoteEntry>;

/** A directory as it was read; the rest of a large one is fetched page by page. */
export const DirectoryPage = z.object({
  /** As the server resolves it. */
  path: z.string(),
  listing: ListingKey,
  entries: z.array(RemoteEntry),
  /** In all. */
  count: z.number().int(),
  /** There are more than are read. */
  cut: z.boolean(),
});
export type DirectoryPage = z.infer<typeof DirectoryPage>;

/** A text file as it was read; what it was then is what saving compares with. */
export const RemoteText = z.object({
  path: z.string(),
  text: z.string(),
  size: z.number().nonnegative(),
  modified: z.number().int().nonnegative(),
});
export type RemoteText = z.infer<typeof RemoteText>;

export const TransferView = z.object({
  id: TransferKey,
  key: SshKey,
  connection: z.string(),
  direction: z.enum(['upload', 'download']),
  /** Of the file, without a directory. */
  name: z.string(),
  remote: z.string(),
  /** Where a download is written; empty for uploads. */
  path: z.string(),
  bytes: z.number().nonnegative(),
  total: z.number().nonnegative(),
  /** Of a folder. */
  files: z.object({ done: z.number().int(), total: z.number().int() }).optional(),
  state: z.enum(['running', 'paused', 'done', 'failed', 'cancelled']),
  error: BridgeError.optional(),
});
export type TransferView = z.infer<typeof TransferView>;

const port = z.number().int().min(0).max(65_535);
const host = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[A-Za-z0-9._:-]+$/, 'a name or an address');

/**
 * local: a port here, which the target dials for (RFC 4254 7.2). remote: a port there, which is dialled from here (7.1).
 * Listening is on loopback at either end; at the target, the target has the last word.
 */
export const ForwardWanted = z
  .object({
    direction: z.enum(['local', 'remote']),
    /** 0: any that is free. */
    listenPort: port,
    host,
    port: port.min(1),
  })
  .strict();
export type ForwardWanted = z.infer<typeof ForwardWanted>;

export const ForwardView = z.object({
  id: ForwardKey,
  connection: z.string(),
  direction: z.enum(['local', 'remote']),
  /** 0 while it does not listen. */
  listenPort: z.number().int(),
  host: z.string(),
  port: z.number().int(),
  state: z.enum(['opening', 'open', 'failed']),
  sockets: z.number().int().nonnegative(),
  /** Sockets so far. */
  accepted: z.number().int().nonnegative(),
  refused: z.number().int().nonnegative(),
  bytesUp: z.number().nonnegative(),
  bytesDown: z.number().nonnegative(),
  /** Why it failed, or the last thing that went wrong with one of its sockets. */
  error: BridgeError.optional(),
  session: z.string().optional(),
});
export type ForwardView = z.infer<typeof ForwardView>;

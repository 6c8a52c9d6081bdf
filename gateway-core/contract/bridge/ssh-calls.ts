import { z } from 'zod';
import { ConnectionName } from '../ids.js';
import { type Call, call, done, none } from './call.js';
import {
  DirectoryPage,
  directoryPageMax,
  editedFileBytesMax,
  ForwardKey,
  ForwardView,
  ForwardWanted,
  ListingKey,
  RemoteEntry,
  RemotePath,
  RemoteText,
  SshKey,
  SshSession,
  TerminalPiece,
  TerminalSize,
  TransferKey,
  TransferView,
  terminalInputCharactersMax,
  uploadPieceBytesMax,
} from './ssh.js';

/** Terminals, files and forwards of a target that is reached by SSH. A part of the one map (calls.ts). */
export const sshCalls = {
  'ssh.sessions': call('agent', none, z.array(SshSession)),
  /** Connects and asks for a shell. */
  'ssh.open': call('agent', TerminalSize.extend({ connection: ConnectionName }).strict(), SshSession),
  /** A new connection, or only a new shell where the connection still stands. */
  'ssh.reconnect': call('agent', TerminalSize.extend({ key: SshKey }).strict(), SshSession),
  'ssh.close': call('agent', z.object({ key: SshKey }).strict(), done),
  /** Waits for output; answers with none after a while, so that nothing waits for ever. */
  'ssh.read': call(
    'agent',
    z.object({ key: SshKey, from: z.number().int().nonnegative() }).strict(),
    TerminalPiece,
  ),
  /** Answered once the channel has taken it: whoever has more waits for that. */
  'ssh.write': call(
    'agent',
    z
      .object({
        key: SshKey,
        text: z.string().max(terminalInputCharactersMax),
        /** The text stands for bytes, one character each: what a mouse report may be. */
        binary: z.boolean(),
      })
      .strict(),
    done,
  ),
  'ssh.resize': call('agent', TerminalSize.extend({ key: SshKey }).strict(), done),

  // Files of a target
  'sftp.list': call('agent', z.object({ key: SshKey, path: RemotePath }).strict(), DirectoryPage),
  'sftp.page': call(
    'agent',
    z
      .object({
        listing: ListingKey,
        from: z.number().int().nonnegative(),
        count: z.number().int().min(1).max(directoryPageMax),
      })
      .strict(),
    z.object({ entries: z.array(RemoteEntry) }),
  ),
  'sftp.rename': call('agent', z.object({ key: SshKey, path: RemotePath, to: RemotePath }).strict(), done),
  /** One file, link or empty directory. */
  'sftp.remove': call(
    'agent',
    z.object({ key: SshKey, path: RemotePath, directory: z.boolean() }).strict(),
    done,
  ),
  'sftp.makeDirectory': call('agent', z.object({ key: SshKey, path: RemotePath }).strict(), done),
  'sftp.setMode': call(
    'agent',
    z.object({ key: SshKey, path: RemotePath, mode: z.number().int().min(0).max(0o7777) }).strict(),
    done,
  ),
  'sftp.readText': call('agent', z.object({ key: SshKey, path: RemotePath }).strict(), RemoteText),
  /** `size` and `modified`: of the file as it was read; another one there is a conflict, unless `replace` is said. */
  'sftp.writeText': call(
    'agent',
    z
      .object({
        key: SshKey,
        path: RemotePath,
        text: z.string().max(editedFileBytesMax),
        size: z.number().nonnegative(),
        modified: z.number().int().nonnegative(),
        replace: z.boolean(),
      })
      .strict(),
    RemoteText,
  ),
  'transfers.list': call('agent', none, z.array(TransferView)),
  /** Into the folder for exports; never over a file that is there. */
  'transfers.download': call('agent', z.object({ key: SshKey, path: RemotePath }).strict(), TransferView),
  /**
   * Begins an upload, or goes on with one that broke off: `bytes` of the answer say from where. A file that is there is
   * replaced only when that is said; `resume` goes on behind what is there of it.
   */
  'transfers.upload': call(
    'agent',
    z
      .object({
        key: SshKey,
        path: RemotePath,
        total: z.number().nonnegative(),
        how: z.enum(['new', 'replace', 'resume']),
      })
      .strict(),
    TransferView,
  ),
  /** The next piece, in order. Answered once the target has it. */
  'transfers.piece': call(
    'agent',
    z
      .object({
        id: TransferKey,
        at: z.number().nonnegative(),
        /** base64 */
        data: z.string().max(Math.ceil(uploadPieceBytesMax / 3) * 4),
      })
      .strict(),
    TransferView,
  ),
  'transfers.pause': call('agent', z.object({ id: TransferKey }).strict(), TransferView),
  'transfers.resume': call('agent', z.object({ id: TransferKey }).strict(), TransferView),
  /** What was written of a download is deleted; what an upload has written stays, and can be gone on with. */
  'transfers.cancel': call('agent', z.object({ id: TransferKey }).strict(), TransferView),
  /** Forgets those that are over. */
  'transfers.clear': call('agent', none, done),

  // Forwards
  'forwards.list': call('agent', none, z.array(ForwardView)),
  'forwards.open': call('agent', ForwardWanted.extend({ connection: ConnectionName }).strict(), ForwardView),
  'forwards.close': call('agent', z.object({ id: ForwardKey }).strict(), done),
} as const satisfies Record<string, Call>;

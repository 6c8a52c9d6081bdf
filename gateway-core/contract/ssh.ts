import type { Action } from './decision.js';

/**
 * Why a shell command may do more than its words show. Policy sees each one; a command with none is all that it says.
 * `syntax`: it does not parse. `dynamic-program`: the name of what is run is made at run time (`$a`, `$(...)`).
 * `dynamic-script`: text is run that is made at run time, or comes from elsewhere (`sh -c "$x"`, `... | sh`, `eval`,
 * `source`). `interpreter`: a program that runs code of its own language, or other programs by its options
 * (`python -c`, `perl -e`, `awk 'system()'`, `tar --to-command`, `git -c`). `remote`: what runs stands in a place that only
 * the target knows (a script by path, a program outside the system's directories, `make`) or on another machine
 * (`ssh host ls`), or the shell itself may connect to one (`< /dev/tcp/host/80`, `< "$x"`). `environment`: variables are set that change what a program does or which one is found (`PATH`,
 * `LD_PRELOAD`). `dialect`: shells read it differently, and it is the target that knows which shell it is (`$'...'`,
 * `[[ ]]`, `&>`, `function f`): what stands here is bash's reading. `too-long`: more than was looked at.
 */
export const commandUnknowns = [
  'syntax',
  'dynamic-program',
  'dynamic-script',
  'interpreter',
  'remote',
  'environment',
  'dialect',
  'too-long',
] as const;
export type CommandUnknown = (typeof commandUnknowns)[number];

/** What can be known of one shell command line from its parse alone (POSIX shell and bash). */
export interface CommandFacts {
  /**
   * Last path segment of every program that would run, decoded, as often as it stands there but each once: those in
   * pipes, substitutions, functions, and behind `sh -c`, `env`, `sudo`, `xargs`, `find -exec`, `nohup` and their kin,
   * those programs too.
   */
  readonly programs: readonly string[];
  /** The same with the path as it was written, where one was written. */
  readonly paths: readonly string[];
  /** Files that redirections write to, and tee, dd, sed -i and their kin. What other programs write (cp, tar) is not here. */
  readonly writes: readonly string[];
  /** Some such file's name is made at run time. No `unknown` is set for it but where nothing of its beginning is known. */
  readonly writesUnknown: boolean;
  /** Runs as somebody else: sudo, su, doas, runuser, pkexec, setpriv, chroot, nsenter. */
  readonly elevated: boolean;
  readonly unknown: readonly CommandUnknown[];
}

/** SFTP version 3 (draft-ietf-secsh-filexfer-02): what a request does, in words that policies use. */
export const fileOperations = [
  'read',
  'write',
  'append',
  'list',
  'stat',
  'set-attributes',
  'remove',
  'rename',
  'make-directory',
  'remove-directory',
  'link',
  'read-link',
] as const;
export type FileOperation = (typeof fileOperations)[number];

/** One use of a connection by SSH, as policy is asked for it. */
export type SshUse =
  | {
      readonly action: Extract<Action, 'ssh:shell'>;
      /** The line that is about to be run, where it is known. */
      readonly command: CommandFacts | undefined;
    }
  | { readonly action: Extract<Action, 'ssh:exec'>; readonly command: CommandFacts }
  | {
      readonly action: Extract<Action, 'ssh:sftp'>;
      /**
       * Paths are absolute and without `.`, `..` and doubled slashes; symbolic links are the target's to follow. Where a
       * file is renamed or linked `to` is asked about by itself as well: as a `write`, or for symbolic links as a `link`.
       */
      readonly file: { readonly operation: FileOperation; readonly path: string; readonly to?: string };
    }
  | {
      readonly action: Extract<Action, 'ssh:forward'>;
      /**
       * local: the target dials for the client (-L, -D, -W). remote: the target listens for the client (-R).
       * agent: the target may use keys of the client. x11: its windows. `host` of a unix socket is its path, with port 0.
       * One spelling for each: addresses in their usual form (`127.1` is 127.0.0.1), names in small letters, paths
       * without `.`, `..` and doubled slashes. Which address a name has is the target's to know, and links are to follow.
       */
      readonly forward: {
        readonly direction: 'local' | 'remote' | 'agent' | 'x11';
        readonly host: string;
        readonly port: number;
      };
    };

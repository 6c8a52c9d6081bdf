import type { SFTPWrapper } from 'ssh2';
import type { BridgeError } from '../../contract/bridge/app.js';
import type { SshSession, TerminalSize } from '../../contract/bridge/ssh.js';
import { ThroughlineError } from '../../contract/errors.js';
import { connectSsh, lost, type SshConnection } from './client.js';
import type { SshEngineOptions } from './options.js';
import { channelRefusal, problemOf } from './reasons.js';
import { abandon, adopt } from './sftp.js';
import { Shell } from './shell.js';

/** One SSH connection of a terminal tab. It has the same key over reconnects: the tab stays the tab. */
export class TerminalSession {
  readonly key: string;
  readonly connection: string;
  readonly shell: Shell;
  readonly #options: SshEngineOptions;
  #ssh: SshConnection | undefined;
  #session: string | undefined;
  #state: SshSession['state'] = 'connecting';
  #problem: BridgeError | undefined;
  #connecting: Promise<void> | undefined;
  #files: Promise<SFTPWrapper> | undefined;
  #channel: SFTPWrapper | undefined;
  #closed = false;
  /** Called when the connection is over. */
  onLost: (() => void) | undefined;

  constructor(key: string, connection: string, options: SshEngineOptions) {
    this.key = key;
    this.connection = connection;
    this.#options = options;
    this.shell = new Shell(() => this.#shellChanged());
  }

  view(): SshSession {
    return {
      key: this.key,
      connection: this.connection,
      state: this.#state,
      shell: this.shell.state,
      ...(this.#session === undefined ? {} : { session: this.#session }),
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
    };
  }

  /** @throws ThroughlineError when there is no connection; a shell that is refused is told in the view */
  connect(size: TerminalSize): Promise<void> {
    this.#connecting ??= this.#connect(size).finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #connect(size: TerminalSize): Promise<void> {
    const ssh = this.#ssh === undefined || this.#ssh.ended ? await this.#open() : this.#ssh;
    await this.shell.open(ssh.client, size);
  }

  async #open(): Promise<SshConnection> {
    this.#state = 'connecting';
    this.#problem = undefined;
    this.#session = undefined;
    this.#tell();
    try {
      const stream = await this.#options.openStream(this.connection);
      this.#session = this.#options.sessionOf(stream);
      const ssh = await connectSsh(stream, { user: this.connection, hostKeys: this.#options.hostKeys() });
      if (this.#closed || this.#problem !== undefined) {
        ssh.close();
        throw lost();
      }
      this.#ssh = ssh;
      ssh.onEnd = (reason) => this.#ended(ssh, reason);
      this.#state = 'ready';
      this.#tell();
      return ssh;
    } catch (cause) {
      this.#state = 'closed';
      this.#problem ??= problemOf(cause);
      this.#tell();
      throw cause;
    }
  }

  /** The SFTP channel, opened when it is asked for first. @throws ThroughlineError denied, target-refused */
  files(): Promise<SFTPWrapper> {
    const ssh = this.#ssh;
    if (ssh === undefined || ssh.ended) {
      return Promise.reject(
        new ThroughlineError('target-refused', 'this session is closed', { action: 'connect again' }),
      );
    }
    this.#files ??= this.#openFiles(ssh);
    return this.#files;
  }

  async #openFiles(ssh: SshConnection): Promise<SFTPWrapper> {
    try {
      const files = await new Promise<SFTPWrapper>((resolve, reject) => {
        const gone = () => reject(lost());
        ssh.client.once('close', gone);
        ssh.client.sftp((error, opened) => {
          ssh.client.off('close', gone);
          if (error === undefined) resolve(opened);
          else reject(channelRefusal(error));
        });
      });
      adopt(files);
      const forget = () => {
        if (this.#channel === files) {
          this.#files = undefined;
          this.#channel = undefined;
        }
        abandon(files);
      };
      this.#channel = files;
      files.on('close', forget);
      files.on('error', forget);
      return files;
    } catch (cause) {
      this.#files = undefined;
      throw cause;
    }
  }

  /** Ends it with a reason that the tab shows. */
  end(problem: BridgeError): void {
    this.#problem = problem;
    this.#ssh?.close();
  }

  close(): void {
    this.#closed = true;
    this.shell.close();
    this.#ssh?.close();
  }

  #ended(ssh: SshConnection, reason: ThroughlineError | undefined): void {
    if (ssh !== this.#ssh) return;
    this.#ssh = undefined;
    this.#files = undefined;
    if (this.#channel !== undefined) abandon(this.#channel);
    // Whoever left by `exit` has no problem; everybody else is told why.
    if (this.shell.isOpen || reason !== undefined) this.#problem ??= problemOf(reason ?? lost());
    this.#state = 'closed';
    this.shell.lost();
    this.#tell();
    this.onLost?.();
  }

  /** The shell is over and no files are open: then so is the connection, as with ssh itself. */
  #shellChanged(): void {
    if (this.shell.state.state === 'ended' && this.#files === undefined) this.#ssh?.close();
    this.#tell();
  }

  #tell(): void {
    if (!this.#closed) this.#options.emit('ssh.session', this.view());
  }
}

import { createStore, type StoreApi } from 'zustand/vanilla';
import type { BridgeError } from '../../../gateway-core/contract/bridge/app.js';
import type { CallInput } from '../../../gateway-core/contract/bridge/calls.js';
import type { SshSession } from '../../../gateway-core/contract/bridge/ssh.js';
import { call, failureOf } from '../../bridge/index.js';
import { useKnown } from '../../ui/app-state.js';
import { type TabParameters, workbench } from '../../ui/workbench.js';
import { broadcast, together } from './broadcast.js';
import { FilesModel } from './files/model.js';
import { Input } from './input.js';
import { openLink } from './links.js';
import type { ScreenEvents, ScreenPort } from './screen-port.js';
import { bytesOf, isReport, isSeveralLines, safePaste, safeTitle } from './text.js';

type Connection = CallInput<'ssh.open'>['connection'];

export interface TabState {
  readonly connection: string;
  readonly session: SshSession | undefined;
  readonly opening: boolean;
  /** Why there is no session, or what was asked last failed. */
  readonly problem: BridgeError | undefined;
  /** As the program there calls itself. */
  readonly program: string;
  readonly find: boolean;
  readonly found: { readonly index: number; readonly count: number };
  readonly files: boolean;
  /** What is typed goes to every terminal that says so, too. */
  readonly together: boolean;
  /** A bell rang a moment ago. */
  readonly bell: boolean;
  readonly menu: { readonly x: number; readonly y: number } | undefined;
  readonly snippets: boolean;
  /** Lines that wait for the person's word before they go to the shell. */
  readonly pasting: string | undefined;
}

const bellShownMs = 400;
const aheadMax = 4096;
const resizeAfterMs = 60;
const firstSize = { columns: 80, rows: 24 };

/** One terminal tab: its session, its screen, its files. Outlives the view, so that docking it elsewhere changes nothing. */
export class TerminalTab implements ScreenEvents {
  readonly id: string;
  readonly state: StoreApi<TabState>;
  readonly files: FilesModel;
  screen: ScreenPort | undefined;
  closing = false;
  readonly #number: number;
  readonly #input: Input;
  readonly #wantedSession: string;
  /** Everything before this place of the output is on the screen. */
  #at = 0;
  #mutedTo = -1;
  #reading = false;
  #gone = false;
  #begun = false;
  #pasteFreely = false;
  #alone = false;
  #ahead = '';
  #clipboardTold = false;
  #bellTimer: ReturnType<typeof setTimeout> | undefined;
  #resizeTimer: ReturnType<typeof setTimeout> | undefined;
  #opening: Promise<void> | undefined;

  constructor(id: string, parameters: TabParameters, number: number) {
    const text = (name: string): string => (typeof parameters[name] === 'string' ? parameters[name] : '');
    this.id = id;
    this.#number = typeof parameters['number'] === 'number' ? parameters['number'] : number;
    this.#wantedSession = text('session');
    this.#input = new Input(
      (typed, binary) => {
        const { session } = this.state.getState();
        if (session === undefined) return Promise.resolve();
        return call('ssh.write', { key: session.key, text: typed, binary });
      },
      (cause) => this.#failed(cause),
    );
    this.state = createStore<TabState>(() => ({
      connection: text('connection'),
      session: undefined,
      opening: false,
      problem: undefined,
      program: '',
      find: false,
      found: { index: -1, count: 0 },
      files: parameters['files'] === true,
      together: false,
      bell: false,
      menu: undefined,
      snippets: false,
      pasting: undefined,
    }));
    this.files = new FilesModel(() => this.state.getState().session, text('directory'));
  }

  get title(): string {
    const { connection, program } = this.state.getState();
    const name = this.#number > 1 ? `${connection} ${this.#number}` : connection;
    return program === '' ? name : `${name}: ${program}`;
  }
  get name(): string {
    const { connection } = this.state.getState();
    return this.#number > 1 ? `${connection} ${this.#number}` : connection;
  }
  get isOpen(): boolean {
    return this.state.getState().session?.shell.state === 'open';
  }

  /** Finds the session of before a reload, or opens one for a tab that is new. Only once, when the screen is there. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    void (this.#wantedSession === '' ? this.connect() : this.#attach());
  }

  /** The session lives on in the agent process when the page is loaded again. */
  async #attach(): Promise<void> {
    try {
      const session = (await call('ssh.sessions', {})).find(({ key }) => key === this.#wantedSession);
      if (session === undefined) return;
      this.#put(session);
      this.resized(this.screen?.size ?? firstSize);
    } catch (cause) {
      this.#failed(cause);
    }
  }

  /** Connects, or connects again: what is on the screen stays, and a line says where the new begins. */
  connect(): Promise<void> {
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #connect(): Promise<void> {
    const { connection, session } = this.state.getState();
    if (connection === '' || this.isOpen) return;
    const size = this.screen?.size ?? firstSize;
    const had = session !== undefined || this.#at > 0;
    this.state.setState({ opening: true, problem: undefined });
    try {
      const opened = await this.#openOrAgain(session, connection as Connection, size);
      if (opened.key !== session?.key) this.#at = 0;
      if (had) this.screen?.divide(`connected again, ${clock()}`);
      this.state.setState({ opening: false, program: '' });
      this.#put(opened);
      this.#keep();
    } catch (cause) {
      this.#ahead = '';
      this.state.setState({ opening: false, problem: failureOf(cause) });
    } finally {
      this.#mark();
    }
    this.screen?.focus();
  }

  async #openOrAgain(
    session: SshSession | undefined,
    connection: Connection,
    size: { readonly columns: number; readonly rows: number },
  ): Promise<SshSession> {
    if (session === undefined) return call('ssh.open', { connection, ...size });
    try {
      return await call('ssh.reconnect', { key: session.key, ...size });
    } catch (cause) {
      // The agent process is another one by now: it knows nothing of the old session.
      if (failureOf(cause).code !== 'not-found') throw cause;
      return call('ssh.open', { connection, ...size });
    }
  }

  /** What the agent says of this tab's session. */
  tell(session: SshSession): void {
    this.#put(session);
  }

  #put(session: SshSession): void {
    this.state.setState({ session });
    if (session.shell.state === 'open') {
      if (this.#ahead !== '') this.#input.add(this.#ahead);
      this.#ahead = '';
    } else this.#input.drop();
    this.#mark();
    if (session.shell.state !== 'none') void this.#read(session.key);
  }

  /** Reads again what was missed while the host or the agent was away. */
  async resync(): Promise<void> {
    const { session } = this.state.getState();
    if (session === undefined) return;
    try {
      const found = (await call('ssh.sessions', {})).find(({ key }) => key === session.key);
      const message = 'the session ended while the app was away';
      const gone = { ...session, state: 'closed', shell: { state: 'ended' } } as const;
      this.#put(found ?? { ...gone, problem: { code: 'closed', message, action: 'connect again' } });
    } catch (cause) {
      this.#failed(cause);
    }
  }

  /** Asks for output as fast as the screen takes it: that is what lets the target go on. */
  async #read(key: string): Promise<void> {
    if (this.#reading || this.screen === undefined) return;
    this.#reading = true;
    try {
      for (let ended = false; !ended && !this.#gone; ) {
        const piece = await call('ssh.read', { key, from: this.#at });
        if (this.#gone || this.state.getState().session?.key !== key) return;
        if (this.#mutedTo < 0) this.#mutedTo = piece.seen;
        if (piece.from > this.#at) this.screen.divide('what came before is not kept any more');
        await this.#show(piece.from, bytesOf(piece.data));
        ended = piece.ended;
      }
      if (!this.#gone) this.#ended();
    } catch (cause) {
      if (failureOf(cause).code !== 'not-found' && failureOf(cause).code !== 'disconnected')
        this.#failed(cause);
    } finally {
      this.#reading = false;
    }
    // It may have been connected again just now.
    if (this.isOpen && !this.#gone && this.state.getState().problem === undefined) void this.#read(key);
  }

  async #show(from: number, bytes: Uint8Array): Promise<void> {
    const muted = Math.min(bytes.length, Math.max(0, this.#mutedTo - from));
    if (muted > 0) await this.screen?.write(bytes.subarray(0, muted), true);
    if (muted < bytes.length) await this.screen?.write(bytes.subarray(muted), false);
    this.#at = from + bytes.length;
  }

  #endedAt = -1;
  #ended(): void {
    if (this.#endedAt === this.#at) return;
    this.#endedAt = this.#at;
    this.screen?.divide(`session ended, ${clock()}`);
  }

  // What the screen says

  input(text: string): void {
    if (this.state.getState().together && !this.#alone && !isReport(text))
      broadcast((each) => each.typeIfOpen(text));
    else this.type(text);
  }

  /** Typed here and nowhere else. Enter connects again where nothing is open. */
  type(text: string): void {
    if (this.isOpen) {
      if (!this.#input.add(text))
        this.#failedWith('too much waits already', 'wait until the target takes it');
      return;
    }
    const { opening, session } = this.state.getState();
    // Typed ahead of a shell that is on its way: it is for that one.
    if (opening || session?.shell.state === 'opening') this.#ahead = (this.#ahead + text).slice(0, aheadMax);
    else if (text === '\r') void this.connect();
  }

  /** Typed elsewhere: no reason to connect this one again. */
  typeIfOpen(text: string): void {
    if (this.isOpen) this.type(text);
  }

  binary(text: string): void {
    if (this.isOpen) this.#input.add(text, true);
  }

  paste(text: string): void {
    const safe = safePaste(text);
    if (safe === '') return;
    if (isSeveralLines(safe) && !this.#pasteFreely) this.state.setState({ pasting: safe });
    else this.#paste(safe);
  }
  #paste(text: string): void {
    if (this.state.getState().together) broadcast((each) => each.pasteAlone(text));
    else this.screen?.paste(text);
  }
  /** Into this terminal only, as its own program wants it. */
  pasteAlone(text: string): void {
    this.#alone = true;
    this.screen?.paste(text);
    this.#alone = false;
  }
  answerPaste(answer: 'yes' | 'always' | 'no'): void {
    const { pasting } = this.state.getState();
    this.state.setState({ pasting: undefined });
    if (answer === 'always') this.#pasteFreely = true;
    if (answer !== 'no' && pasting !== undefined) this.#paste(pasting);
    this.screen?.focus();
  }

  titled(text: string): void {
    this.state.setState({ program: safeTitle(text) });
    this.#mark();
  }

  bell(): void {
    if (!useKnown.getState().preferences.terminalBell) return;
    this.state.setState({ bell: true });
    clearTimeout(this.#bellTimer);
    this.#bellTimer = setTimeout(() => this.state.setState({ bell: false }), bellShownMs);
  }

  resized(size: { readonly columns: number; readonly rows: number }): void {
    clearTimeout(this.#resizeTimer);
    this.#resizeTimer = setTimeout(() => {
      const { session } = this.state.getState();
      if (session === undefined || this.#gone) return;
      void call('ssh.resize', { key: session.key, ...size }).catch(() => undefined);
    }, resizeAfterMs);
  }

  selected(text: string): void {
    if (useKnown.getState().preferences.terminalCopyOnSelect) void copy(text);
  }
  link(text: string): void {
    void openLink(text);
  }
  menu(at: { readonly x: number; readonly y: number }): void {
    this.state.setState({ menu: at });
  }
  found(index: number, count: number): void {
    this.state.setState({ found: { index, count } });
  }

  clipboardRefused(): void {
    if (this.#clipboardTold) return;
    this.#clipboardTold = true;
    workbench().notify({
      level: 'warning',
      title: `${this.name} wanted the clipboard`,
      text: 'A program there tried to write to it or read from it. Terminals here never let it.',
    });
  }

  // What the person does

  copySelection(): void {
    const text = this.screen?.selection ?? '';
    if (text !== '') void copy(text);
  }
  async copyWithColours(): Promise<void> {
    const { screen } = this;
    if (screen === undefined || screen.selection === '') return;
    const item = new ClipboardItem({
      'text/plain': new Blob([screen.selection], { type: 'text/plain' }),
      'text/html': new Blob([screen.html()], { type: 'text/html' }),
    });
    await navigator.clipboard.write([item]).catch(() => copy(screen.selection));
  }

  showFind(find: boolean): void {
    this.state.setState({ find });
    if (find) return;
    this.screen?.endFind();
    this.screen?.focus();
  }

  toggleFiles(): void {
    this.state.setState(({ files }) => ({ files: !files }));
    this.#keep();
  }
  setTogether(on: boolean): void {
    if (on) together.add(this);
    else together.remove(this);
    this.state.setState({ together: on });
  }

  dismiss(): void {
    this.state.setState({ problem: undefined });
  }

  #failed(cause: unknown): void {
    this.state.setState({ problem: failureOf(cause) });
  }
  #failedWith(message: string, action: string): void {
    this.state.setState({ problem: { code: 'busy', message, action } });
  }

  #keep(): void {
    const { connection, session, files } = this.state.getState();
    workbench().keepParameters(this.id, {
      connection,
      number: this.#number,
      files,
      directory: this.files.directory,
      ...(session === undefined ? {} : { session: session.key }),
    });
  }

  #mark(): void {
    const { session } = this.state.getState();
    workbench().describeTab(this.id, {
      title: this.title,
      ...(session !== undefined && !this.isOpen && session.shell.state !== 'opening'
        ? { mark: 'closed' as const }
        : {}),
      mayClose: this.#mayClose,
    });
  }

  readonly #mayClose = async (): Promise<boolean> => {
    const { session, connection } = this.state.getState();
    const under = this.files.underWay();
    if (session !== undefined && session.state !== 'closed' && under.length > 0) {
      const sure = await workbench().confirm({
        title: `Close ${this.name}`,
        text: `Ends the session on ${connection} with ${under.length === 1 ? 'the transfer' : 'the transfers'} of ${under.join(', ')}.`,
        button: 'Close',
        danger: true,
      });
      if (sure === undefined) return false;
    }
    this.closing = true;
    return true;
  };

  /** The view is gone. Where the tab was closed, so is its session. */
  leave(): void {
    const { session } = this.state.getState();
    this.#gone = true;
    together.remove(this);
    clearTimeout(this.#bellTimer);
    clearTimeout(this.#resizeTimer);
    this.files.dispose();
    this.screen?.dispose();
    this.screen = undefined;
    if (session !== undefined && this.closing)
      void call('ssh.close', { key: session.key }).catch(() => undefined);
  }
}

const clock = (): string => new Date().toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });

async function copy(text: string): Promise<void> {
  await navigator.clipboard.writeText(text).catch(() => undefined);
}

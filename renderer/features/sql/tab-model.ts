import { createStore, type StoreApi } from 'zustand/vanilla';
import type { BridgeError } from '../../../gateway-core/contract/bridge/app.js';
import type { CallInput } from '../../../gateway-core/contract/bridge/calls.js';
import type { SqlRun, SqlSession } from '../../../gateway-core/contract/bridge/sql.js';
import { call, failureOf } from '../../bridge/index.js';
import { useKnown } from '../../ui/app-state.js';
import { drafts } from '../../ui/drafts.js';
import { type TabParameters, workbench } from '../../ui/workbench.js';
import { readSchema } from './catalogs.js';
import type { EditorPort, Piece, PieceKind } from './editor/port.js';
import { type Plan, parsePlan } from './explain/plan.js';
import { GridModel } from './grid/model.js';
import { mayAnalyze, mayLeaveText, mayLeaveTransaction, mayRun } from './questions.js';
import { isOver, newRunKey, type RunEntry, resultTabs } from './runs.js';
import { markOf } from './tab-mark.js';
import { formatSql } from './text/format.js';
import { changesSchema, withoutExplain } from './text/guard.js';

type Connection = CallInput<'sql.open'>['connection'];

export type Side = 'none' | 'schema' | 'history' | 'queries';

export interface TabState {
  readonly connection: string;
  readonly session: SqlSession | undefined;
  readonly opening: boolean;
  /** Why there is no session, or what was asked last failed. */
  readonly problem: BridgeError | undefined;
  /** For a session that is not open yet. */
  readonly autocommit: boolean;
  readonly runs: readonly RunEntry[];
  /** A result's key, `messages` or `plan`. */
  readonly shown: string;
  readonly plan:
    | { readonly state: 'reading'; readonly analyze: boolean }
    | { readonly state: 'failed'; readonly problem: BridgeError }
    | { readonly state: 'read'; readonly plan: Plan; readonly json: string; readonly statement: string }
    | undefined;
  /** The saved query that the text came from. */
  readonly query: string | undefined;
  readonly unsaved: boolean;
  /** The editor may show it. */
  readonly textRead: boolean;
  readonly side: Side;
  readonly resultsAt: 'below' | 'right';
  readonly panel: 'none' | 'value' | 'record';
  readonly dialog: 'none' | 'save' | 'export';
}

const draftDelayMs = 300;

/** One SQL tab: its text, its session, its runs. Outlives the view, so that docking it elsewhere changes nothing. */
export class SqlTab {
  readonly id: string;
  readonly state: StoreApi<TabState>;
  editor: EditorPort | undefined;
  /** It was asked whether it may close, and it may. */
  closing = false;
  readonly #grids = new Map<string, GridModel>();
  readonly #number: number;
  #text: string | undefined;
  #savedText = '';
  #saving: ReturnType<typeof setTimeout> | undefined;
  #lastRun = 0;
  #draftTold = false;
  readonly #wantedSession: string;
  readonly #wantedRun: string;

  constructor(id: string, parameters: TabParameters, number: number) {
    const text = (name: string): string => (typeof parameters[name] === 'string' ? parameters[name] : '');
    this.id = id;
    this.#number = typeof parameters['number'] === 'number' ? parameters['number'] : number;
    this.#wantedSession = text('session');
    this.#wantedRun = text('run');
    const query = text('query');
    this.#text = drafts.get(id) ?? (query === '' ? text('text') : undefined);
    this.state = createStore<TabState>(() => ({
      connection: text('connection'),
      session: undefined,
      opening: false,
      problem: undefined,
      autocommit: useKnown.getState().preferences.autocommit,
      runs: [],
      shown: 'messages',
      plan: undefined,
      query: query === '' ? undefined : query,
      unsaved: false,
      textRead: false,
      side: 'none',
      resultsAt: parameters['resultsAt'] === 'right' ? 'right' : 'below',
      panel: 'none',
      dialog: 'none',
    }));
  }

  get title(): string {
    const { query, connection } = this.state.getState();
    if (query !== undefined) return query;
    const name = connection === '' ? 'SQL' : connection;
    return this.#number > 1 ? `${name} ${this.#number}` : name;
  }

  /** Reads the text, and finds the session of before a reload, or opens one for a tab that is new. Only once. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    const { query, connection } = this.state.getState();
    void this.#readText(query);
    if (connection !== '') void (this.#wantedSession === '' ? this.open() : this.#attach());
  }
  #begun = false;

  async #readText(query: string | undefined): Promise<void> {
    if (query !== undefined) {
      try {
        this.#savedText = (await call('queries.read', { name: query })).text;
        this.#text ??= this.#savedText;
      } catch (cause) {
        this.#text ??= '';
        this.state.setState({ query: undefined, problem: failureOf(cause) });
      }
    }
    this.state.setState({ textRead: true });
    this.#mark();
  }

  /** The session lives on in the agent process when the page is loaded again. */
  async #attach(): Promise<void> {
    try {
      const session = (await call('sql.sessions', {})).find(({ key }) => key === this.#wantedSession);
      if (session === undefined) return;
      this.state.setState({ session, autocommit: session.autocommit });
      void readSchema(session.connection);
      const run = session.run ?? this.#wantedRun;
      if (run !== '') this.#restore(await call('sql.runState', { run }));
    } catch {
      // The run was disposed of, or the session is gone: the tab begins anew.
    }
    this.#mark();
  }

  #restore(run: SqlRun): void {
    const entry: RunEntry = { number: ++this.#lastRun, text: '', base: -1, pinned: false, run };
    this.state.setState({ runs: [entry] });
    this.#showNewest(entry);
  }

  /** Reads again what was missed while the host or the gateway was away. */
  async resync(): Promise<void> {
    const { session, runs } = this.state.getState();
    if (session === undefined) return;
    try {
      const found = (await call('sql.sessions', {})).find(({ key }) => key === session.key);
      const ended = { code: 'closed', message: 'the session ended while the app was away' };
      this.tell(found ?? { ...session, state: 'closed', transaction: 'idle', problem: ended });
      const open = runs.filter(({ run }) => !isOver(run));
      for (const { run } of open) this.hear(await call('sql.runState', { run: run.run }));
    } catch (cause) {
      this.state.setState({ problem: failureOf(cause) });
    }
  }

  get text(): string {
    return this.editor?.text() ?? this.#text ?? '';
  }
  /** Nothing until it was read. */
  get initialText(): string | undefined {
    return this.#text;
  }

  // The session

  open(): Promise<SqlSession | undefined> {
    const { connection, session } = this.state.getState();
    if (connection === '') return Promise.resolve(undefined);
    if (session !== undefined && session.state !== 'closed') return Promise.resolve(session);
    // Who runs something while it connects waits for the same session.
    this.#opening ??= this.#openAnew().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }
  #opening: Promise<SqlSession | undefined> | undefined;

  async #openAnew(): Promise<SqlSession | undefined> {
    const { connection, autocommit, session } = this.state.getState();
    this.state.setState({ opening: true, problem: undefined });
    try {
      const opened =
        session === undefined
          ? await call('sql.open', { connection: connection as Connection, autocommit })
          : await call('sql.reconnect', { key: session.key });
      this.state.setState({ session: opened, opening: false });
      this.keep();
      void readSchema(connection);
      return opened;
    } catch (cause) {
      this.state.setState({ opening: false, problem: failureOf(cause) });
      return undefined;
    } finally {
      this.#mark();
    }
  }

  /** Goes to another connection: the session on the one before is closed. */
  async connectTo(connection: string): Promise<void> {
    const { session } = this.state.getState();
    if (!(await mayLeaveTransaction(session))) return;
    this.state.setState({ connection, session: undefined, problem: undefined });
    if (session !== undefined) void call('sql.close', { key: session.key }).catch(() => undefined);
    await this.open();
  }

  /** What the agent says of this tab's session. */
  tell(session: SqlSession): void {
    this.state.setState({ session, autocommit: session.autocommit });
    this.#mark();
  }

  async endTransaction(end: 'commit' | 'rollback'): Promise<void> {
    const { session } = this.state.getState();
    if (session !== undefined) await this.#asked(() => call('sql.transaction', { key: session.key, end }));
  }

  async setAutocommit(on: boolean): Promise<void> {
    const { session } = this.state.getState();
    if (session === undefined || session.state === 'closed') this.state.setState({ autocommit: on });
    else await this.#asked(() => call('sql.autocommit', { key: session.key, on }));
  }

  async cancel(): Promise<void> {
    const { session } = this.state.getState();
    if (session?.state !== 'running') return;
    try {
      await call('sql.cancel', { key: session.key });
    } catch (cause) {
      this.state.setState({ problem: failureOf(cause) });
    }
  }

  async #asked(ask: () => Promise<SqlSession>): Promise<void> {
    try {
      this.tell(await ask());
      this.state.setState({ problem: undefined });
    } catch (cause) {
      this.state.setState({ problem: failureOf(cause) });
    }
  }

  // Runs

  async run(kind: PieceKind): Promise<void> {
    const piece = this.editor?.piece(kind);
    if (piece === undefined) return;
    await this.runPiece(piece);
  }

  async runPiece(piece: Piece): Promise<void> {
    if (this.state.getState().session?.state === 'running') {
      const problem = {
        code: 'busy',
        message: 'a statement still runs here',
        action: 'wait for it, or cancel it',
      };
      this.state.setState({ problem });
      return;
    }
    if (!(await mayRun(piece.text))) return;
    const session = await this.open();
    if (session === undefined) return;
    const entry = this.#begin(session, piece);
    if (piece.start >= 0) this.editor?.track(entry.run.run, piece);
    const { resultRowsMax } = useKnown.getState().preferences;
    try {
      const input = { key: session.key, run: entry.run.run, text: piece.text, rowsMax: resultRowsMax };
      this.hear(await call('sql.run', input));
    } catch (cause) {
      this.state.setState(({ runs }) => ({
        problem: failureOf(cause),
        runs: runs.filter(({ run }) => run.run !== entry.run.run || run.statements.length > 0),
      }));
    }
  }

  #begin(session: SqlSession, { text, start }: Piece): RunEntry {
    const { runs } = this.state.getState();
    for (const { run, pinned } of runs) if (!pinned) this.#dispose(run);
    const entry: RunEntry = {
      number: ++this.#lastRun,
      text,
      base: start,
      pinned: false,
      run: {
        run: newRunKey(),
        key: session.key,
        connection: session.connection,
        state: 'running',
        startedAt: new Date().toISOString(),
        durationMs: 0,
        statements: [],
      },
    };
    this.state.setState({ runs: [...runs.filter(({ pinned }) => pinned), entry], problem: undefined });
    this.keep();
    return entry;
  }

  /** What the agent says of a run of this tab. */
  hear(run: SqlRun): void {
    const before = this.state.getState().runs.find((entry) => entry.run.run === run.run);
    if (before === undefined) return;
    const entry = { ...before, run };
    this.state.setState(({ runs }) => ({ runs: runs.map((each) => (each === before ? entry : each)) }));
    for (const { result } of run.statements)
      if (result !== undefined) this.#grids.get(result.key)?.load(result);
    this.#showNewest(entry, before);
    if (!isOver(run) || isOver(before.run)) return;
    this.editor?.showProblems(entry);
    if (run.statements.some(({ tag }) => changesSchema(tag))) void readSchema(run.connection, true);
  }

  /** The first result of a run comes to the front as it appears; its errors when it fails; else what it says. */
  #showNewest(entry: RunEntry, before?: RunEntry): void {
    const [first] = resultTabs([entry]);
    const had = before !== undefined && resultTabs([before]).length > 0;
    const ended = isOver(entry.run) && (before === undefined || !isOver(before.run));
    if (first !== undefined && !had) this.show(first.result.key);
    if (ended && (first === undefined || entry.run.state === 'failed')) this.show('messages');
  }

  /** Opens or closes what stands beside the results, or the sidebar of the tab. */
  togglePanel(panel: 'value' | 'record'): void {
    this.state.setState(({ panel: open }) => ({ panel: open === panel ? 'none' : panel }));
  }
  toggleSide(side: Side): void {
    this.state.setState(({ side: open }) => ({ side: open === side ? 'none' : side }));
  }

  show(shown: string): void {
    this.state.setState({ shown });
  }

  /** The grid of a result; made when it is looked at first. */
  grid(key: string): GridModel | undefined {
    const known = this.#grids.get(key);
    if (known !== undefined) return known;
    const tab = resultTabs(this.state.getState().runs).find(({ result }) => result.key === key);
    if (tab === undefined) return undefined;
    const made = new GridModel(key, tab.result.columns, tab.result);
    this.#grids.set(key, made);
    return made;
  }

  pin(run: string, pinned: boolean): void {
    this.state.setState(({ runs }) => ({
      runs: runs.map((entry) => (entry.run.run === run ? { ...entry, pinned } : entry)),
    }));
  }

  async more(result: string): Promise<void> {
    try {
      await call('sql.more', { result, rowsMax: useKnown.getState().preferences.resultRowsMax });
    } catch (cause) {
      this.state.setState({ problem: failureOf(cause) });
    }
  }

  #dispose({ run, statements }: SqlRun): void {
    for (const { result } of statements) {
      if (result === undefined) continue;
      this.#grids.get(result.key)?.dispose();
      this.#grids.delete(result.key);
    }
    void call('sql.dispose', { run }).catch(() => undefined);
  }

  async explain(analyze: boolean): Promise<void> {
    const piece = this.editor?.piece('statement');
    if (piece === undefined) return;
    const statement = withoutExplain(piece.text);
    if (analyze && !(await mayAnalyze())) return;
    const session = await this.open();
    if (session === undefined) return;
    this.state.setState({ plan: { state: 'reading', analyze }, shown: 'plan' });
    try {
      const { json } = await call('sql.explain', { key: session.key, text: statement, analyze });
      const plan = parsePlan(json);
      const problem = { code: 'internal', message: 'the plan has a shape that is not known' };
      this.state.setState({
        plan: plan === undefined ? { state: 'failed', problem } : { state: 'read', plan, json, statement },
      });
    } catch (cause) {
      this.state.setState({ plan: { state: 'failed', problem: failureOf(cause) } });
    }
  }

  // The text

  /** The text changed: kept at once in memory, and soon where a crash does not reach it. */
  typed(): void {
    clearTimeout(this.#saving);
    this.#saving = setTimeout(() => this.keepText(), draftDelayMs);
  }

  keepText(): void {
    clearTimeout(this.#saving);
    const { text } = this;
    this.#text = text;
    const kept = drafts.set(this.id, text);
    if (!kept && !this.#draftTold) {
      this.#draftTold = true;
      const notice =
        'All unsaved texts together are too long to be kept over a restart. Save this one as a query.';
      workbench().notify({ level: 'warning', title: 'This text is not kept', text: notice });
    }
    this.#mark();
  }

  async format(): Promise<void> {
    const piece = this.editor?.piece('format');
    if (piece === undefined) return;
    const formatted = await formatSql(piece.text);
    if (formatted.kind === 'refused') {
      workbench().notify({ level: 'warning', title: 'Not formatted', text: formatted.reason });
    } else if (formatted.text !== piece.text) this.editor?.replace(piece, formatted.text);
  }

  /** @returns what stood in the way */
  async save(name: string, replace: boolean): Promise<BridgeError | undefined> {
    const { text } = this;
    try {
      await call('queries.write', { name, text, replace });
    } catch (cause) {
      return failureOf(cause);
    }
    this.#savedText = text;
    this.state.setState({ query: name });
    this.keep();
    this.#mark();
    return undefined;
  }

  /** The saved query that this text belongs to has another name now. */
  renamed(query: string): void {
    this.state.setState({ query });
    this.keep();
    this.#mark();
  }

  // What the shell knows of the tab

  /** What brings this tab back after a restart. */
  keep(): void {
    const { connection, session, query, runs, resultsAt } = this.state.getState();
    workbench().keepParameters(this.id, {
      connection,
      number: this.#number,
      resultsAt,
      session: session?.key ?? null,
      query: query ?? null,
      run: runs.at(-1)?.run.run ?? null,
    });
  }

  #mark(): void {
    const { session } = this.state.getState();
    const unsaved = this.text !== this.#savedText && this.text.trim() !== '';
    this.state.setState({ unsaved });
    const mark = markOf(session, unsaved);
    workbench().describeTab(this.id, {
      title: this.title,
      ...(mark === undefined ? {} : { mark }),
      mayClose: this.mayClose,
    });
  }

  readonly mayClose = async (): Promise<boolean> => {
    this.keepText();
    const { session, unsaved } = this.state.getState();
    this.closing = (await mayLeaveTransaction(session)) && (await mayLeaveText(this.title, unsaved));
    return this.closing;
  };

  /** The view is gone. Where the tab was closed, so are its session and its results. */
  leave(): void {
    clearTimeout(this.#saving);
    if (!this.closing) {
      this.keepText();
      return;
    }
    const { session, runs } = this.state.getState();
    for (const { run } of runs) this.#dispose(run);
    if (session !== undefined) void call('sql.close', { key: session.key }).catch(() => undefined);
    drafts.remove(this.id);
  }
}

import type { ComponentType } from 'react';
import { create } from 'zustand';
import type { AppState } from '../../gateway-core/contract/bridge/app.js';
import type { Hop } from '../../gateway-core/contract/chain.js';
import { useKnown } from './app-state.js';

/**
 * What the features and the shell agree on. A feature never imports another one: it opens tabs by their kind, offers
 * commands and describes itself; the shell (app/) puts the pieces together.
 */
export type Icon = ComponentType<{ size?: number | string; stroke?: number | string }>;

/** What a tab is opened with. Kept in the workspace file: plain JSON, no secret. */
export type TabParameters = Readonly<Record<string, string | number | boolean | null>>;

export interface TabProps {
  /** Stable over restarts. */
  readonly tab: string;
  readonly parameters: TabParameters;
  /** Whether the tab is the shown one of its group: hidden ones stay mounted and should rest. */
  readonly visible: boolean;
}

export interface TabKind {
  /** `sql`, `session`, `search` ... */
  readonly kind: string;
  readonly icon: Icon;
  /** Title before the view says a better one. */
  readonly title: (parameters: TabParameters) => string;
  readonly view: ComponentType<TabProps>;
  /** Two openings with equal parameters show the same tab. */
  readonly single: boolean;
}

export interface Section {
  /** The place in the rail: `connections`, `sessions`, `audit`, `admin`, `settings`. */
  readonly id: string;
  readonly label: string;
  readonly icon: Icon;
  readonly order: number;
  /** The sidebar while the section is chosen. */
  readonly sidebar: ComponentType;
  /** Absent, not greyed, where the person may not. Everybody may without it. */
  readonly may?: (state: AppState) => boolean;
}

export interface Command {
  /** `sql.run`, `session.revoke` ...; shortcuts are kept by it. */
  readonly id: string;
  readonly title: string;
  readonly group: string;
  /** `Mod+Enter`: Mod is Cmd on a Mac, else Ctrl. The default; preferences may change it. */
  readonly shortcut?: string;
  /** Not offered, and its shortcut not taken, while it says false. */
  readonly when?: () => boolean;
  /** Absent everywhere, settings too, where the person may not. Everybody may without it. */
  readonly may?: (state: AppState) => boolean;
  readonly run: () => void;
}

export function mayUse(command: Command): boolean {
  const { app } = useKnown.getState();
  return app === undefined || command.may?.(app) !== false;
}

/** An entry of the palette that is not a fixed command: a connection, a session, a person. */
export interface PaletteEntry {
  readonly id: string;
  readonly title: string;
  readonly detail?: string;
  readonly group: string;
  readonly icon?: Icon;
  readonly run: () => void;
  /** What Ctrl+Enter does, and its name: `Revoke`. */
  readonly second?: { readonly title: string; readonly run: () => void };
}

export interface Feature {
  readonly id: string;
  readonly sections?: readonly Section[];
  readonly tabs?: readonly TabKind[];
  readonly commands?: readonly Command[];
  /** Entries for what was typed; called with every change of the text, answers are merged as they come. */
  readonly palette?: (text: string) => Promise<readonly PaletteEntry[]>;
  /** Shows what a hop of a line stands for; false where it knows nothing of it, and the next feature is asked. */
  readonly openHop?: (hop: Hop) => boolean;
}

export interface TabState {
  readonly title: string;
  /** A dot on the tab: unsaved text, a running statement, an open transaction. */
  readonly mark?: 'unsaved' | 'running' | 'transaction' | 'closed';
  /** Asked before the tab closes; false keeps it. */
  readonly mayClose?: () => Promise<boolean>;
}

/** The shell, as features see it. */
export interface Workbench {
  openTab(kind: string, parameters: TabParameters, where?: 'here' | 'right' | 'below'): void;
  closeTab(tab: string): void;
  describeTab(tab: string, state: TabState): void;
  /** Parameters that the tab is restored with: a draft's id, a scroll position. */
  keepParameters(tab: string, parameters: TabParameters): void;
  /** The tab that has the focus, and its kind. */
  activeTab():
    | { readonly tab: string; readonly kind: string; readonly parameters: TabParameters }
    | undefined;
  showSection(id: string): void;
  openPalette(text?: string): void;
  notify(notice: {
    readonly level: 'info' | 'success' | 'warning' | 'error';
    readonly title: string;
    readonly text?: string;
    /** A button in it. */
    readonly action?: { readonly title: string; readonly run: () => void };
  }): void;
  /** Asks; resolves with the reason that was typed (empty where none is wanted), or undefined. */
  confirm(question: {
    readonly title: string;
    /** Names what will end. */
    readonly text: string;
    readonly button: string;
    readonly danger: boolean;
    readonly reason?: { readonly label: string; readonly required: boolean };
  }): Promise<string | undefined>;
}

interface Registered {
  readonly workbench: Workbench | undefined;
  readonly commands: ReadonlyMap<string, Command>;
  readonly features: readonly Feature[];
}

export const useRegistered = create<Registered>(() => ({
  workbench: undefined,
  commands: new Map(),
  features: [],
}));

/** @throws Error before the shell has put itself there, which is a bug */
export function workbench(): Workbench {
  const registered = useRegistered.getState().workbench;
  if (registered === undefined) throw new Error('the workbench is not there yet');
  return registered;
}

/** A link of a line was picked: the first feature that knows it shows it. */
export function openHop(hop: Hop): void {
  useRegistered.getState().features.some((feature) => feature.openHop?.(hop) === true);
}

/** Called once by the shell. */
export function registerWorkbench(added: Workbench, features: readonly Feature[]): void {
  const commands = new Map(
    features.flatMap((feature) => feature.commands ?? []).map((each) => [each.id, each]),
  );
  useRegistered.setState({ workbench: added, features, commands });
}

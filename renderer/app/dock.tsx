import { Button, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { IconX } from '@tabler/icons-react';
import {
  type DockviewApi,
  DockviewReact,
  type IDockviewPanelHeaderProps,
  type IDockviewPanelProps,
  type SerializedDockview,
  themeDark,
  themeLight,
} from 'dockview-react';
import {
  Component,
  type ReactNode,
  type Ref,
  useEffect,
  useImperativeHandle,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react';
import { create } from 'zustand';
import { drafts } from '../ui/drafts.js';
import { ErrorState } from '../ui/error-state.js';
import { VisibleText } from '../ui/visible-text.js';
import type { Feature, TabKind, TabParameters, TabState, Workbench } from '../ui/workbench.js';
import style from './app.module.css';
import { Watermark } from './watermark.js';

export interface DockHandle
  extends Pick<Workbench, 'openTab' | 'closeTab' | 'describeTab' | 'keepParameters' | 'activeTab'> {
  splitTab(tab: string, where: 'right' | 'below'): void;
  /** To the tab after or before, in the order in which they stand. */
  step(by: number): void;
  /** dockview's own JSON. */
  layout(): unknown;
}

interface PanelParameters {
  readonly kind: string;
  readonly parameters: TabParameters;
}

const useTabStates = create<{ readonly states: ReadonlyMap<string, TabState> }>(() => ({
  states: new Map(),
}));

const directions = { here: 'within', right: 'right', below: 'below' } as const;

/** Tabs and splits. */
export function Dock({
  ref,
  layout,
  features,
  onReady,
  onChange,
}: {
  readonly ref: Ref<DockHandle>;
  readonly layout: unknown;
  readonly features: readonly Feature[];
  readonly onReady: () => void;
  readonly onChange: () => void;
}) {
  const api = useRef<DockviewApi>(undefined);
  const kinds = useRef(new Map<string, TabKind>());
  kinds.current = new Map(features.flatMap((feature) => feature.tabs ?? []).map((each) => [each.kind, each]));
  const scheme = useComputedColorScheme('dark');
  useMantineColorScheme();
  useImperativeHandle(ref, () => handleOf(() => api.current, kinds.current, onChange), [onChange]);
  const shared = useRef({
    tab: (props: IDockviewPanelProps<PanelParameters>) => <TabBody props={props} kinds={kinds.current} />,
    header: (props: IDockviewPanelHeaderProps<PanelParameters>) => (
      <TabHeader props={props} kinds={kinds.current} />
    ),
  });
  return (
    <DockviewReact
      theme={scheme === 'dark' ? themeDark : themeLight}
      components={{ tab: shared.current.tab }}
      defaultTabComponent={shared.current.header}
      watermarkComponent={Watermark}
      defaultRenderer="always"
      disableFloatingGroups
      onReady={({ api: dock }) => {
        api.current = dock;
        // A landmark for each split says nothing that its tabs do not say.
        dock.onDidAddGroup(({ element }) => element.setAttribute('role', 'group'));
        // Restored tabs may need the workbench as soon as they are there.
        onReady();
        restore(dock, layout, kinds.current);
        dock.onDidLayoutChange(onChange);
        dock.onDidRemovePanel(({ id }) => {
          useTabStates.setState(({ states }) => {
            const left = new Map(states);
            left.delete(id);
            return { states: left };
          });
        });
      }}
    />
  );
}

/** A layout that dockview does not take, or that names tabs which no longer exist, must not stand in the way. */
function restore(dock: DockviewApi, layout: unknown, kinds: ReadonlyMap<string, TabKind>): void {
  if (typeof layout !== 'object' || layout === null) return;
  try {
    dock.fromJSON(layout as SerializedDockview);
    for (const panel of dock.panels.slice()) if (!kinds.has(kindOf(panel.params))) dock.removePanel(panel);
  } catch {
    dock.clear();
  }
}

function kindOf(parameters: unknown): string {
  const kind = (parameters as Partial<PanelParameters> | undefined)?.kind;
  return typeof kind === 'string' ? kind : '';
}

function parametersOf(parameters: unknown): TabParameters {
  const own = (parameters as Partial<PanelParameters> | undefined)?.parameters;
  return typeof own === 'object' && own !== null ? own : {};
}

function handleOf(
  dock: () => DockviewApi | undefined,
  kinds: ReadonlyMap<string, TabKind>,
  onChange: () => void,
): DockHandle {
  const panelOf = (tab: string) => dock()?.getPanel(tab);
  const removing = new Set<string>();
  return {
    openTab: (kind, parameters, where = 'here') => {
      const api = dock();
      const described = kinds.get(kind);
      if (api === undefined || described === undefined) return;
      const same = api.panels.find(
        ({ params }) => kindOf(params) === kind && sameTab(parametersOf(params), parameters, described),
      );
      if (same !== undefined) {
        same.api.updateParameters({ kind, parameters });
        return same.api.setActive();
      }
      const beside = api.activePanel;
      api.addPanel<PanelParameters>({
        id: `tab_${crypto.randomUUID().slice(0, 13).replace('-', '')}`,
        component: 'tab',
        title: described.title(parameters),
        params: { kind, parameters },
        ...(beside === undefined
          ? {}
          : { position: { referencePanel: beside.id, direction: directions[where] } }),
      });
    },
    closeTab: (tab) => {
      if (removing.has(tab)) return;
      removing.add(tab);
      const may = useTabStates.getState().states.get(tab)?.mayClose;
      void (may?.() ?? Promise.resolve(true))
        .then((yes) => {
          const panel = panelOf(tab);
          if (!yes || panel === undefined) return;
          dock()?.removePanel(panel);
          drafts.remove(tab);
        })
        .finally(() => removing.delete(tab));
    },
    describeTab: (tab, state) => {
      const before = useTabStates.getState().states.get(tab);
      if (before?.title === state.title && before.mark === state.mark && before.mayClose === state.mayClose)
        return;
      useTabStates.setState(({ states }) => ({ states: new Map(states).set(tab, state) }));
    },
    keepParameters: (tab, parameters) => {
      const panel = panelOf(tab);
      if (panel === undefined) return;
      panel.api.updateParameters({ kind: kindOf(panel.params), parameters });
      onChange();
    },
    activeTab: () => {
      const panel = dock()?.activePanel;
      if (panel === undefined) return undefined;
      return { tab: panel.id, kind: kindOf(panel.params), parameters: parametersOf(panel.params) };
    },
    splitTab: (tab, where) => {
      const panel = panelOf(tab);
      if (panel === undefined || panel.group.panels.length < 2) return;
      panel.api.moveTo({ group: panel.group, position: where === 'right' ? 'right' : 'bottom' });
    },
    step: (by) => {
      const panels = dock()?.groups.flatMap((group) => group.panels) ?? [];
      const at = panels.findIndex((panel) => panel.id === dock()?.activePanel?.id);
      panels[(at + by + panels.length) % panels.length]?.api.setActive();
    },
    layout: () => dock()?.toJSON(),
  };
}

/** What says which thing a tab shows; the rest (a place in it) may differ. */
function sameTab(held: TabParameters, wanted: TabParameters, kind: TabKind): boolean {
  if (!kind.single) return false;
  return ['id', 'connection', 'name'].every((key) => held[key] === wanted[key]);
}

function TabBody({
  props,
  kinds,
}: {
  readonly props: IDockviewPanelProps<PanelParameters>;
  readonly kinds: ReadonlyMap<string, TabKind>;
}) {
  const visible = useSyncExternalStore(
    (changed) => {
      const listening = props.api.onDidVisibilityChange(changed);
      return () => listening.dispose();
    },
    () => props.api.isVisible,
  );
  const kind = kinds.get(kindOf(props.params));
  if (kind === undefined) return null;
  const View = kind.view;
  return (
    <Boundary>
      <View tab={props.api.id} parameters={parametersOf(props.params)} visible={visible} />
    </Boundary>
  );
}

const marks = {
  unsaved: { sign: '●', word: 'unsaved' },
  running: { sign: '▸', word: 'running' },
  transaction: { sign: '◆', word: 'open transaction' },
  closed: { sign: '○', word: 'closed' },
} as const;

function TabHeader({
  props,
  kinds,
}: {
  readonly props: IDockviewPanelHeaderProps<PanelParameters>;
  readonly kinds: ReadonlyMap<string, TabKind>;
}) {
  const { id } = props.api;
  const state = useTabStates(({ states }) => states.get(id));
  const kind = kinds.get(kindOf(props.params));
  const title = state?.title ?? kind?.title(parametersOf(props.params)) ?? '';
  const [, redraw] = useState(0);
  useEffect(() => {
    const listening = props.api.onDidParametersChange(() => redraw((count) => count + 1));
    return () => listening.dispose();
  }, [props.api]);
  useEffect(() => props.api.setTitle(title), [props.api, title]);
  const Sign = kind?.icon;
  const mark = state?.mark === undefined ? undefined : marks[state.mark];
  const close = () => closeFromHeader(id, props);
  return (
    <div
      className={style['tab']}
      onAuxClick={(event) => {
        if (event.button === 1) close();
      }}
    >
      {Sign !== undefined && <Sign size={14} stroke={1.7} />}
      <span className={style['tabTitle']}>
        <VisibleText text={title} />
      </span>
      {mark !== undefined && (
        <span className={style['tabMark']} title={mark.word} data-mark={state?.mark}>
          <span aria-hidden>{mark.sign}</span>
          <span className={style['hidden']}>{mark.word}</span>
        </span>
      )}
      {/* For the mouse alone: keys have a command, and a tab may hold no second control. */}
      <span
        aria-hidden
        className={style['tabClose']}
        title="Close"
        onPointerDown={(event) => event.stopPropagation()}
        onClick={(event) => {
          event.stopPropagation();
          close();
        }}
      >
        <IconX size={13} />
      </span>
    </div>
  );
}

function closeFromHeader(id: string, props: IDockviewPanelHeaderProps<PanelParameters>): void {
  const may = useTabStates.getState().states.get(id)?.mayClose;
  void (may?.() ?? Promise.resolve(true)).then((yes) => {
    if (!yes) return;
    props.api.close();
    drafts.remove(id);
  });
}

interface BoundaryState {
  readonly failed: Error | undefined;
}

/** A view that breaks takes its tab with it, not the app. */
class Boundary extends Component<{ readonly children: ReactNode }, BoundaryState> {
  override state: BoundaryState = { failed: undefined };

  static getDerivedStateFromError(failed: Error): BoundaryState {
    return { failed };
  }

  override render(): ReactNode {
    if (this.state.failed === undefined) return this.props.children;
    return (
      <div className={style['broken']}>
        <ErrorState
          error={{
            code: 'internal',
            message: 'this view broke; nothing of the session is lost',
            action: `tell whoever maintains the app: ${this.state.failed.message}`,
          }}
        />
        <Button size="xs" onClick={() => this.setState({ failed: undefined })}>
          Load the tab again
        </Button>
      </div>
    );
  }
}

import { Tooltip } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import type { AppState } from '../../gateway-core/contract/bridge/app.js';
import { prefer, useKnown } from '../ui/app-state.js';
import { type Command, registerWorkbench, type Section } from '../ui/workbench.js';
import style from './app.module.css';
import { Banners } from './banners.js';
import { confirm } from './dialogs.js';
import { Dock, type DockHandle } from './dock.js';
import { features } from './features.js';
import { notify } from './notices.js';
import { openPalette, Palette } from './palette.js';
import { listenToKeys } from './shortcuts.js';
import { StatusBar } from './status-bar.js';
import { keepWorkspace, loadWorkspace, type Workspace } from './workspace.js';

const sections: readonly Section[] = features
  .flatMap((feature) => feature.sections ?? [])
  .sort((a, b) => a.order - b.order);
const narrow = '(max-width: 840px)';
const widthMin = 160;
const widthMax = 640;

/** The workbench: rail, sidebar, tabs, status bar. */
export function Frame({ app }: { readonly app: AppState }) {
  const [workspace, setWorkspace] = useState<Workspace | 'none'>();
  useEffect(() => {
    loadWorkspace().then(
      (found) => setWorkspace(found ?? 'none'),
      () => setWorkspace('none'),
    );
  }, []);
  // Tabs must not open before the drafts that belong to them are back.
  if (workspace === undefined) return null;
  return <Workbench app={app} workspace={workspace === 'none' ? undefined : workspace} />;
}

function Workbench({
  app,
  workspace,
}: {
  readonly app: AppState;
  readonly workspace: Workspace | undefined;
}) {
  const dock = useRef<DockHandle>(null);
  const allowed = sections.filter((section) => section.may?.(app) !== false);
  const [wanted, setWanted] = useState(workspace?.section ?? 'connections');
  const [hidden, setHidden] = useState(() => matchMedia(narrow).matches);
  // A narrow window is for the work; the rail and its key bring the sidebar back.
  useEffect(() => {
    const media = matchMedia(narrow);
    const changed = ({ matches }: MediaQueryListEvent) => setHidden(matches);
    media.addEventListener('change', changed);
    return () => media.removeEventListener('change', changed);
  }, []);
  const section = allowed.find((each) => each.id === wanted) ?? allowed[0];
  const [ready, setReady] = useState(false);
  const changed = useRef<() => void>(() => undefined);
  const current = useRef({ section: wanted });
  current.current = { section: wanted };

  const show = (id: string) => {
    setHidden(id === wanted && !hidden);
    setWanted(id);
    changed.current();
  };
  const showSection = useRef(show);
  showSection.current = show;

  useEffect(() => {
    const kept = keepWorkspace(
      () => ({ layout: dock.current?.layout(), section: current.current.section }),
      () =>
        notify({
          level: 'warning',
          title: 'The workspace could not be saved',
          text: 'Tabs and unsaved text stay in this window.',
        }),
    );
    changed.current = kept.changed;
    const stopKeys = listenToKeys();
    return () => {
      kept.stop();
      stopKeys();
    };
  }, []);

  const register = () => {
    const handle = dock.current;
    if (handle === null) throw new Error('the dock tells that it is ready once it is there');
    const shell = { id: 'app', commands: commandsOf(handle, () => setHidden((before) => !before)) };
    registerWorkbench(
      {
        openTab: handle.openTab,
        closeTab: handle.closeTab,
        describeTab: handle.describeTab,
        keepParameters: handle.keepParameters,
        activeTab: handle.activeTab,
        showSection: (id) => {
          setHidden(false);
          setWanted(id);
        },
        openPalette,
        notify,
        confirm,
      },
      [shell, ...features],
    );
    setReady(true);
  };

  const Sidebar = section?.sidebar;
  return (
    <div className={style['frame']}>
      <Banners app={app} />
      <div className={style['middle']}>
        <Rail sections={allowed} chosen={hidden ? undefined : section?.id} show={show} />
        {ready && Sidebar !== undefined && !hidden && (
          <SidebarFrame label={section?.label ?? ''}>
            <Sidebar />
          </SidebarFrame>
        )}
        <main className={style['dock']}>
          <Dock
            ref={dock}
            layout={workspace?.layout}
            features={features}
            onReady={register}
            onChange={() => changed.current()}
          />
        </main>
      </div>
      <StatusBar app={app} />
      <Palette />
    </div>
  );
}

function Rail({
  sections: shown,
  chosen,
  show,
}: {
  readonly sections: readonly Section[];
  readonly chosen: string | undefined;
  readonly show: (id: string) => void;
}) {
  return (
    <nav
      className={style['rail']}
      aria-label="Sections"
      onKeyDown={(event) => {
        const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (by === undefined) return;
        const buttons = [...event.currentTarget.querySelectorAll('button')];
        const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
        buttons[(at + by + buttons.length) % buttons.length]?.focus();
        event.preventDefault();
      }}
    >
      <h1 className={style['hidden']}>Throughline</h1>
      {shown.map(({ id, label, icon: Sign }) => (
        <Tooltip key={id} label={label} position="right" openDelay={400}>
          <button
            type="button"
            className={style['railButton']}
            aria-pressed={id === chosen}
            aria-label={label}
            onClick={() => show(id)}
          >
            <Sign size={20} stroke={1.6} />
          </button>
        </Tooltip>
      ))}
    </nav>
  );
}

/** The sidebar with its edge, which is moved by hand or by arrow keys. */
function SidebarFrame({ label, children }: { readonly label: string; readonly children: React.ReactNode }) {
  const kept = useKnown(({ preferences }) => preferences.sidebarWidth);
  const [width, setWidth] = useState(kept);
  const set = (next: number) => setWidth(Math.min(Math.max(Math.round(next), widthMin), widthMax));
  const keep = () => void prefer({ sidebarWidth: width });
  return (
    <aside className={style['sidebar']} style={{ width }} aria-label={label}>
      <h2 className={style['sidebarTitle']}>{label}</h2>
      <div className={style['sidebarBody']}>{children}</div>
      <div
        className={style['edge']}
        role="separator"
        aria-orientation="vertical"
        aria-label="Width of the sidebar"
        aria-valuenow={width}
        aria-valuemin={widthMin}
        aria-valuemax={widthMax}
        tabIndex={0}
        onKeyDown={(event) => {
          const by = { ArrowLeft: -16, ArrowRight: 16 }[event.key];
          if (by !== undefined) set(width + by);
        }}
        onBlur={keep}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          const left = event.currentTarget.parentElement?.getBoundingClientRect().left ?? 0;
          const move = ({ clientX }: PointerEvent) => set(clientX - left);
          const edge = event.currentTarget;
          edge.addEventListener('pointermove', move);
          edge.addEventListener('pointerup', () => edge.removeEventListener('pointermove', move), {
            once: true,
          });
        }}
        onPointerUp={keep}
      />
    </aside>
  );
}

function commandsOf(dock: DockHandle, toggleSidebar: () => void): readonly Command[] {
  const zoom = (by: number) => {
    const { zoom: now } = useKnown.getState().preferences;
    void prefer({ zoom: by === 0 ? 100 : Math.min(Math.max(now + by, 80), 200) });
  };
  const withTab = (run: (tab: string) => void) => () => {
    const active = dock.activeTab();
    if (active !== undefined) run(active.tab);
  };
  const group = 'Window';
  return [
    { id: 'app.palette', title: 'Go to anything', group, shortcut: 'Mod+K', run: () => openPalette() },
    {
      id: 'app.commands',
      title: 'Run a command',
      group,
      shortcut: 'Mod+Shift+P',
      run: () => openPalette('>'),
    },
    { id: 'app.sidebar', title: 'Show or hide the sidebar', group, shortcut: 'Mod+B', run: toggleSidebar },
    { id: 'app.closeTab', title: 'Close the tab', group, shortcut: 'Alt+W', run: withTab(dock.closeTab) },
    {
      id: 'app.splitRight',
      title: 'Move the tab to the right',
      group,
      shortcut: 'Mod+\\',
      run: withTab((tab) => dock.splitTab(tab, 'right')),
    },
    {
      id: 'app.splitBelow',
      title: 'Move the tab below',
      group,
      shortcut: 'Mod+Shift+\\',
      run: withTab((tab) => dock.splitTab(tab, 'below')),
    },
    { id: 'app.nextTab', title: 'Next tab', group, shortcut: 'Alt+PageDown', run: () => dock.step(1) },
    { id: 'app.previousTab', title: 'Previous tab', group, shortcut: 'Alt+PageUp', run: () => dock.step(-1) },
    { id: 'app.zoomIn', title: 'Larger', group, shortcut: 'Mod+=', run: () => zoom(10) },
    { id: 'app.zoomOut', title: 'Smaller', group, shortcut: 'Mod+-', run: () => zoom(-10) },
    { id: 'app.zoomReset', title: 'Normal size', group, shortcut: 'Mod+0', run: () => zoom(0) },
  ];
}

import { Splitter } from '@mantine/core';
import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import type { TabProps } from '../../ui/workbench.js';
import { Banners, LineRow } from './banners.js';
import { TabContext, useTabState } from './context.js';
import { ExportDialog } from './dialogs/export.js';
import { SaveDialog } from './dialogs/save.js';
import { SqlEditor } from './editor/editor.js';
import { Results } from './results/results.js';
import { SidePanel } from './side/side.js';
import style from './sql.module.css';
import type { SqlTab } from './tab-model.js';
import { hold, tabOf } from './tabs.js';
import { Toolbar } from './toolbar.js';

const twiceMs = 600;

/** A SQL tab: text above, what came of it below or beside. */
export function SqlTabView({ tab: id, parameters }: TabProps) {
  const [tab] = useState(() => tabOf(id, parameters));
  useEffect(() => hold(id), [id]);
  const onKeyDown = useCancelKeys(tab);
  return (
    <TabContext value={tab}>
      <section className={style['tab']} aria-label={`SQL: ${tab.title}`} onKeyDownCapture={onKeyDown}>
        <Toolbar />
        <LineRow />
        <Banners />
        <div className={style['main']}>
          <Parts tab={tab} />
          <SidePanel />
        </div>
        <SaveDialog />
        <ExportDialog />
      </section>
    </TabContext>
  );
}

function Parts({ tab }: { readonly tab: SqlTab }) {
  const ready = useTabState((state) => state.textRead);
  const resultsAt = useTabState((state) => state.resultsAt);
  return (
    <Splitter
      className={style['split'] ?? ''}
      orientation={resultsAt === 'below' ? 'vertical' : 'horizontal'}
      lineSize={1}
      withHandle={false}
      handleColor="var(--tl-border)"
    >
      <Splitter.Pane defaultSize={45} min={10} className={style['pane'] ?? ''}>
        <SqlEditor tab={tab} ready={ready} />
      </Splitter.Pane>
      <Splitter.Pane defaultSize={55} min={12} className={style['pane'] ?? ''}>
        <Results />
      </Splitter.Pane>
    </Splitter>
  );
}

/** Escape closes what the editor has open; pressed twice while something runs, it cancels that. */
function useCancelKeys(tab: SqlTab): (event: KeyboardEvent) => void {
  const lastMs = useRef(0);
  return ({ key, timeStamp }) => {
    if (key !== 'Escape') return;
    if (timeStamp - lastMs.current < twiceMs) void tab.cancel();
    lastMs.current = timeStamp;
  };
}

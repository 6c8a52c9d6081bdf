import { Splitter, TextInput } from '@mantine/core';
import {
  IconDownload,
  IconFilter,
  IconListDetails,
  IconPin,
  IconPinnedOff,
  IconSearch,
  IconTextScan2,
  IconX,
} from '@tabler/icons-react';
import { useRef } from 'react';
import { ErrorState } from '../../../ui/error-state.js';
import { useGrid, useTab, useTabState } from '../context.js';
import { Grid, type GridHandle } from '../grid/grid.js';
import type { GridModel } from '../grid/model.js';
import type { ResultTab } from '../runs.js';
import { Tool } from '../toolbar.js';
import { Footer } from './footer.js';
import { RecordPanel } from './record-panel.js';
import style from './results.module.css';
import { ValuePanel } from './value-panel.js';

/** One result: its tools, the grid, a cell or a row beside it, and what there is to say about it. */
export function ResultPanel({ shown }: { readonly shown: ResultTab }) {
  const model = useTab().grid(shown.result.key);
  if (model === undefined) return null;
  return <Panel shown={shown} model={model} />;
}

function Panel({ shown, model }: { readonly shown: ResultTab; readonly model: GridModel }) {
  const tab = useTab();
  const panel = useTabState((state) => state.panel);
  const grid = useRef<GridHandle>(null);
  const find = useRef<HTMLInputElement>(null);
  useGrid(model);
  const close = () => {
    tab.state.setState({ panel: 'none' });
    grid.current?.focus();
  };
  const show = (
    <Grid
      ref={grid}
      model={model}
      label={`Result ${shown.label}`}
      onActivate={() => tab.state.setState({ panel: 'value' })}
      onFind={() => find.current?.focus()}
      onExport={() => tab.state.setState({ dialog: 'export' })}
    />
  );
  return (
    <div className={style['panel']}>
      <Tools shown={shown} model={model} find={find} leave={() => grid.current?.focus()} />
      {model.problem !== undefined && (
        <ErrorState compact error={model.problem} retry={() => model.apply()} />
      )}
      <Splitter
        className={style['split'] ?? ''}
        lineSize={1}
        withHandle={false}
        handleColor="var(--tl-border)"
      >
        <Splitter.Pane defaultSize={panel === 'none' ? 100 : 66} min={20} className={style['pane'] ?? ''}>
          {show}
          {model.rows === 0 && <NoRows model={model} />}
        </Splitter.Pane>
        {panel !== 'none' && (
          <Splitter.Pane defaultSize={34} min={15} className={style['pane'] ?? ''}>
            {panel === 'value' ? (
              <ValuePanel model={model} close={close} />
            ) : (
              <RecordPanel model={model} close={close} />
            )}
          </Splitter.Pane>
        )}
      </Splitter>
      <Footer shown={shown} model={model} />
    </div>
  );
}

function NoRows({ model }: { readonly model: GridModel }) {
  if (model.applying) return null;
  if (model.filtered && model.loaded.rows > 0) {
    return (
      <div className={style['noRows']}>
        <p>No loaded row matches the filter.</p>
        <button type="button" onClick={() => model.clearFilters()}>
          Clear the filter
        </button>
      </div>
    );
  }
  if (model.loaded.state === 'streaming') return null;
  return (
    <div className={style['noRows']}>
      <p>No rows.</p>
    </div>
  );
}

function Tools({
  shown,
  model,
  find,
  leave,
}: {
  readonly shown: ResultTab;
  readonly model: GridModel;
  readonly find: React.RefObject<HTMLInputElement | null>;
  readonly leave: () => void;
}) {
  const tab = useTab();
  const panel = useTabState((state) => state.panel);
  const { entry } = shown;
  return (
    <div className={style['tools']}>
      <TextInput
        ref={find}
        size="xs"
        className={style['find'] ?? ''}
        placeholder="Filter rows"
        aria-label="Filter rows by any column"
        leftSection={<IconSearch size={13} aria-hidden />}
        rightSection={
          model.filtered && (
            <button
              type="button"
              className={style['clear']}
              aria-label="Clear all filters"
              onClick={() => model.clearFilters()}
            >
              <IconX size={13} />
            </button>
          )
        }
        value={model.filter}
        maxLength={1000}
        onChange={(event) => model.setFilter(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown' || event.key === 'Enter') leave();
          else if (event.key === 'Escape' && model.filter !== '') model.setFilter('');
          else if (event.key === 'Escape') leave();
          else return;
          event.preventDefault();
        }}
      />
      <Tool
        label="A filter for each column"
        icon={IconFilter}
        pressed={model.filtersShown}
        run={() => {
          model.filtersShown = !model.filtersShown;
          model.changed();
        }}
      />
      <Tool
        label="Value of the cell (Enter, F2)"
        icon={IconTextScan2}
        pressed={panel === 'value'}
        run={() => tab.togglePanel('value')}
      />
      <Tool
        label="Row as a form"
        command="sql.record"
        icon={IconListDetails}
        pressed={panel === 'record'}
        run={() => tab.togglePanel('record')}
      />
      <Tool
        label="Export"
        command="sql.export"
        icon={IconDownload}
        run={() => tab.state.setState({ dialog: 'export' })}
      />
      <Tool
        label={
          entry.pinned ? 'Let the results go with the next run' : 'Keep the results when the next run begins'
        }
        icon={entry.pinned ? IconPinnedOff : IconPin}
        pressed={entry.pinned}
        run={() => tab.pin(entry.run.run, !entry.pinned)}
      />
    </div>
  );
}

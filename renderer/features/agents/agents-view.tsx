import { ActionIcon, Button, Checkbox, Text, TextInput, Tooltip } from '@mantine/core';
import { IconCloudOff, IconFold, IconFoldDown, IconRobot, IconSearch } from '@tabler/icons-react';
import { useEffect, useRef, useState } from 'react';
import type { AgentNode } from '../../../gateway-core/contract/delegation.js';
import { useKnown } from '../../ui/app-state.js';
import { CopyLine } from '../../ui/copy-line.js';
import { EmptyState } from '../../ui/empty-state.js';
import { ErrorState } from '../../ui/error-state.js';
import { Skeleton } from '../../ui/skeleton.js';
import { type TabProps, workbench } from '../../ui/workbench.js';
import style from './agents.module.css';
import { GroupInspector } from './group-inspector.js';
import { Inspector, Legend } from './inspector.js';
import { openRow } from './open.js';
import { readAgents, useAgents } from './store.js';
import { agentsIn, type Nodes, type Row } from './tree.js';
import { TreeView } from './tree-view.js';
import { useRows } from './use-rows.js';
import { foldAll, useView } from './view.js';
import { counted } from './words.js';

const emptyCommand = 'throughline run --agent NAME -- CMD';

/** Who acts now, as a tree, and everything about the one that is chosen. */
export function AgentsTab({ tab }: TabProps) {
  const nodes = useAgents((state) => state.nodes);
  const chosen = useView((view) => view.chosen);
  const { node, around } = useChosen(nodes, chosen);
  const filter = useFilter();
  const rows = useRows(filter.text, filter.onlyActive);
  const group =
    node === undefined ? rows.find(({ key, kind }) => kind === 'group' && key === chosen) : undefined;
  const agents = agentsIn(nodes).length;
  useEffect(() => {
    workbench().describeTab(tab, {
      title: 'Agents',
      ...(agents > 0 ? { mark: 'running' } : {}),
    });
  }, [tab, agents]);
  return (
    <section className={style['page']} aria-label="Agents">
      <div className={style['tools']}>
        <FilterBox
          filter={filter}
          label="Filter agents"
          placeholder="Filter by name, connection, statement, id"
        />
        <Checkbox
          size="xs"
          label="Only active"
          checked={filter.onlyActive}
          onChange={(event) => filter.setOnlyActive(event.currentTarget.checked)}
        />
        <Fold />
        <Text size="xs" c="dimmed" role="status" className={style['count']}>
          {counted(agents, 'sub-agent')}
        </Text>
      </div>
      <Stale />
      <div className={style['split']} data-chosen={node !== undefined || group !== undefined}>
        <div className={style['left']}>
          <Tree
            rows={rows}
            compact={false}
            filter={filter}
            onOpen={(row) => openRow(useAgents.getState().nodes, row)}
          />
        </div>
        {node !== undefined ? (
          <Inspector node={node} nodes={around} />
        ) : group?.kind === 'group' ? (
          <GroupInspector row={group} nodes={nodes} />
        ) : (
          <Legend />
        )}
      </div>
    </section>
  );
}

/** The chosen node; once it has ended and faded, as it was last, for as long as it is looked at. */
function useChosen(nodes: Nodes, chosen: string | undefined) {
  const last = useRef<{ readonly node: AgentNode | undefined; readonly around: Nodes }>({
    node: undefined,
    around: nodes,
  });
  const node = nodes.get(chosen ?? '');
  if (node !== undefined || last.current.node?.id !== chosen) last.current = { node, around: nodes };
  return last.current;
}

function Fold() {
  const isFolded = useView(({ closed }) => closed.size > 0);
  const label = isFolded ? 'Unfold everything' : 'Fold everything to people';
  return (
    <Tooltip label={label} openDelay={300}>
      <ActionIcon variant="default" size={26} aria-label={label} onClick={() => foldAll(!isFolded)}>
        {isFolded ? <IconFoldDown size={15} /> : <IconFold size={15} />}
      </ActionIcon>
    </Tooltip>
  );
}

export interface Filter {
  readonly text: string;
  readonly setText: (text: string) => void;
  readonly onlyActive: boolean;
  readonly setOnlyActive: (only: boolean) => void;
  readonly box: React.RefObject<HTMLInputElement | null>;
}

export function useFilter(): Filter {
  const [text, setText] = useState('');
  const [onlyActive, setOnlyActive] = useState(false);
  const box = useRef<HTMLInputElement>(null);
  return { text, setText, onlyActive, setOnlyActive, box };
}

/** Arrow down leads into the tree, Escape empties it. */
export function FilterBox({
  filter,
  label,
  placeholder,
}: {
  readonly filter: Filter;
  readonly label: string;
  readonly placeholder: string;
}) {
  return (
    <TextInput
      ref={filter.box}
      size="xs"
      className={style['grow'] ?? ''}
      placeholder={placeholder}
      aria-label={label}
      leftSection={<IconSearch size={14} aria-hidden />}
      value={filter.text}
      onChange={(event) => filter.setText(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === 'Escape' && filter.text !== '') filter.setText('');
        else if (event.key === 'ArrowDown' || event.key === 'Enter') {
          const around = event.currentTarget.closest('[data-agents], section');
          around?.querySelector<HTMLElement>('[role="treegrid"]')?.focus();
        } else return;
        event.preventDefault();
        event.stopPropagation();
      }}
    />
  );
}

/** The tree, or why there is none. */
export function Tree({
  rows,
  compact,
  filter,
  onOpen,
}: {
  readonly rows: readonly Row[];
  readonly compact: boolean;
  readonly filter: Filter;
  readonly onOpen: (row: Row) => void;
}) {
  const state = useAgents((each) => each.state);
  const problem = useAgents((each) => each.problem);
  const isEmpty = useAgents((each) => each.nodes.size === 0);
  const reach = useKnown(({ app }) => app?.gateway?.reach);
  const filtered = filter.text.trim() !== '' || filter.onlyActive;
  return (
    <>
      {problem !== undefined && reach === 'connected' && (
        <ErrorState compact error={problem} retry={() => void readAgents()} />
      )}
      {state !== 'read' && problem === undefined && <Skeleton label="Reading who acts" />}
      {state === 'read' && isEmpty && compact && (
        <div className={style['nobody']}>
          Nobody acts now. This starts an agent:
          <CopyLine text={emptyCommand} label="Copy the command" />
        </div>
      )}
      {state === 'read' && isEmpty && !compact && (
        <EmptyState
          icon={IconRobot}
          title="Nobody acts now."
          text="This starts an agent. What it starts, and every program that connects below it, appears here:"
          command={emptyCommand}
        />
      )}
      {!isEmpty && rows.length === 0 && filtered && (
        <EmptyState
          icon={IconSearch}
          title={filter.text.trim() === '' ? 'Nobody has a live session' : 'Nothing matches the filter'}
        >
          <Button
            size="compact-xs"
            variant="default"
            onClick={() => {
              filter.setText('');
              filter.setOnlyActive(false);
            }}
          >
            Show all
          </Button>
        </EmptyState>
      )}
      {rows.length > 0 && (
        <TreeView
          rows={rows}
          compact={compact}
          label={compact ? 'Agents, in short' : 'Who acts now'}
          onOpen={onOpen}
          onType={(letter) => {
            filter.setText(filter.text + letter);
            filter.box.current?.focus();
          }}
        />
      )}
    </>
  );
}

/** While the gateway is away: what is shown is how it was. */
export function Stale() {
  const reach = useKnown(({ app }) => app?.gateway?.reach);
  const isRead = useAgents((state) => state.state === 'read');
  if (reach === 'connected') return null;
  return (
    <p className={style['stale']} role="note">
      <IconCloudOff size={14} aria-hidden />
      {isRead
        ? 'The gateway is away: this is how it was. What has changed since comes as soon as it is back.'
        : 'The gateway is away: who acts is shown as soon as it is back.'}
    </p>
  );
}
